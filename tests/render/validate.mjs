// What the platforms' own libraries, or the best known ones, say of the payloads in the file given: lines of
// {"name","type","out"}.  Prints what is wrong; exit 1 where anything is.  Runs in the folder that has node_modules.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const Ajv = require("ajv");
const { EmbedAssertions, embedLength } = require("@discordjs/builders");
const { simpleParser } = require("mailparser");
const { Parser } = require("htmlparser2");
// the package's own entry does not load outside of a bundler
const cards = require("./adaptivecards.cjs");

let failures = 0;
let mute = false;

function fail(row, words) {
  failures++;
  if (failures <= 40 && !mute) console.log(`${row.type} ${row.name}: ${words}`);
}

// Slack (platforms.md section 1) ---------------------------------------------------------------------

const text = (max, types = ["plain_text", "mrkdwn"]) => ({
  type: "object", additionalProperties: false, required: ["type", "text"],
  properties: { type: { enum: types }, text: { type: "string", minLength: 1, maxLength: max }, emoji: { type: "boolean" } },
});
const block = (type, properties, required) => ({
  type: "object", additionalProperties: false, required: ["type", ...required], properties: { type: { const: type }, ...properties },
});
const blocks = {
  type: "array", minItems: 1, maxItems: 50,
  items: { oneOf: [
    block("header", { text: text(150, ["plain_text"]) }, ["text"]),
    block("section", { text: text(3000) }, ["text"]),
    block("section", { fields: { type: "array", minItems: 1, maxItems: 10, items: text(2000) } }, ["fields"]),
    block("context", { elements: { type: "array", minItems: 1, maxItems: 10, items: text(3000) } }, ["elements"]),
    block("actions", { elements: { type: "array", minItems: 1, maxItems: 25, items: {
      type: "object", additionalProperties: false, required: ["type", "text", "url", "action_id"],
      properties: { type: { const: "button" }, text: text(75, ["plain_text"]), url: { type: "string", maxLength: 3000 },
        action_id: { type: "string", maxLength: 255 } },
    } } }, ["elements"]),
  ] },
};
const slackMessage = new Ajv({ allowUnionTypes: true }).compile({
  type: "object", additionalProperties: false, required: ["text", "blocks", "attachments"],
  properties: {
    text: { type: "string", minLength: 1, maxLength: 4000 }, unfurl_links: { const: false }, unfurl_media: { const: false }, blocks,
    attachments: { type: "array", minItems: 1, maxItems: 1, items: {
      type: "object", additionalProperties: false, required: ["color", "blocks"],
      properties: { color: { type: "string", pattern: "^#[0-9a-f]{6}$" }, blocks },
    } },
  },
});

// every object below a value
function* objects(value) {
  if (value === null || typeof value !== "object") return;
  yield value;
  for (const inner of Object.values(value)) yield* objects(inner);
}

function slack(row, message) {
  if (!slackMessage(message)) fail(row, JSON.stringify(slackMessage.errors.slice(-2)));
  const all = [...objects(message)].filter((o) => typeof o.text === "string");
  const sum = all.reduce((n, o) => n + o.text.length, 0); // of UTF-16 units
  if (sum > 10000) fail(row, `${sum} characters`);
  for (const o of all) {
    if (o.text.length > 3000) fail(row, `a text of ${o.text.length} UTF-16 units`);
    if (o.type === "plain_text") continue;
    const rest = o.text.replace(/^<(https:\/\/[^<>|]+\|Open details|!date\^-?\d+\^\{date_short_pretty\} \{time_secs\}\|[-0-9: UTC]+)>$/, "");
    if (/[<>]/.test(rest) || /&(?!amp;|lt;|gt;)/.test(rest)) fail(row, `mrkdwn that Slack obeys: ${rest}`);
  }
  if (message.blocks[0].text.text.length > 150) fail(row, "header");
}

// Teams ----------------------------------------------------------------------------------------------

function teams(row, message, bytes) {
  if (bytes > 25000) fail(row, `${bytes} bytes`);
  const card = new cards.AdaptiveCard();
  const context = new cards.SerializationContext(cards.Versions.v1_4);
  card.parse(message.attachments[0].content, context);
  for (let i = 0; i < context.eventCount; i++) fail(row, `parse: ${context.getEventAt(i).message}`);
  for (const event of card.validateProperties().validationEvents) fail(row, `properties: ${event.message}`);
  for (const o of objects(message.attachments[0].content)) {
    if (o.type === "TextBlock" || o.type === "FactSet") fail(row, "an element that reads Markdown");
    if (o.type === "TextRun" && (typeof o.text !== "string" || o.text === "" || /[\n\r]/.test(o.text) || /\{\{/.test(o.text)))
      fail(row, `TextRun ${JSON.stringify(o.text)}`);
  }
}

// Discord --------------------------------------------------------------------------------------------

function discord(row, message) {
  const [embed] = message.embeds;
  const check = (what, fn) => {
    try {
      fn();
    } catch (error) {
      fail(row, `${what}: ${error.message.slice(0, 200)}`);
    }
  };

  check("title", () => EmbedAssertions.titlePredicate.parse(embed.title));
  check("description", () => EmbedAssertions.descriptionPredicate.parse(embed.description ?? null));
  check("url", () => EmbedAssertions.urlPredicate.parse(embed.url));
  check("color", () => EmbedAssertions.colorPredicate.parse(embed.color));
  check("timestamp", () => EmbedAssertions.timestampPredicate.parse(new Date(embed.timestamp)));
  check("fields", () => EmbedAssertions.embedFieldsArrayPredicate.parse(embed.fields));
  check("count", () => EmbedAssertions.fieldLengthPredicate.parse(embed.fields.length));
  check("footer", () => EmbedAssertions.embedFooterPredicate.parse(embed.footer));
  if (embedLength(embed) > 6000) fail(row, `${embedLength(embed)} characters`);
  for (const s of [embed.title, embed.description ?? "x", embed.footer.text, ...embed.fields.flatMap((f) => [f.name, f.value])])
    if (s.trim() === "") fail(row, "an empty text");
  if (JSON.stringify(message.allowed_mentions) !== '{"parse":[]}' || "content" in message) fail(row, "it may ping");
}

// HTML, of Google Chat's cards and of mail -----------------------------------------------------------

// tag -> the attributes that it may have
function html(row, source, allowed) {
  new Parser({
    onopentag(name, attributes) {
      for (const attribute of Object.keys(attributes))
        if (!allowed[name]?.includes(attribute)) fail(row, `<${name} ${attribute}>`);
      if (!(name in allowed)) fail(row, `<${name}>`);
      if (name === "a" && !/^https:\/\/[^\s"<>]+$/.test(attributes.href)) fail(row, `a link to ${attributes.href}`);
    },
    oncomment: () => fail(row, "a comment"),
  }, { decodeEntities: true }).end(source);
}

function google_chat(row, message, bytes) {
  let widgets = 0;

  if (bytes > 32000) fail(row, `${bytes} bytes`);
  const { card } = message.cardsV2[0];
  for (const section of card.sections) {
    if (section.widgets.length === 0) fail(row, "a section without widgets");
    widgets += section.widgets.length;
    for (const widget of section.widgets) {
      const source = widget.textParagraph?.text ?? widget.decoratedText?.text ?? "button";
      if (source === "") fail(row, "an empty text");
      html(row, source, { b: [], font: ["color"], br: [] });
      const url = widget.buttonList?.buttons[0].onClick.openLink.url;
      if (url !== undefined) new URL(url);
    }
  }
  if (widgets > 100) fail(row, `${widgets} widgets`);
  if (/<users/.test(message.fallbackText + card.header.title)) fail(row, "a mention");
  if (!(message.thread.threadKey.length > 0 && message.thread.threadKey.length <= 4000)) fail(row, "threadKey");
}

const MAIL_TAGS = {
  html: ["lang"], head: [], meta: ["charset"], title: [], body: ["style"], div: ["style"], p: ["style", "dir"], table: ["role", "style"], tbody: [],
  tr: [], td: ["style", "dir"], h2: ["style"], a: ["href"], br: [], span: ["dir", "style"],
};

async function email(row, source) {
  const mail = await simpleParser(source);

  html(row, mail.html, MAIL_TAGS);
  if (mail.attachments.length !== 0) fail(row, "an attachment");
  if (mail.to.value.length !== 1 || mail.from.value.length !== 1) fail(row, "addresses");
  // for check.py, which knows what should be there
  return { subject: mail.subject, text: mail.text, html: mail.html, messageId: mail.messageId, date: mail.date.toISOString(),
    from: mail.from.value[0], to: mail.to.value[0].address, references: mail.references, headers: [...mail.headers.keys()] };
}

// Signatures -----------------------------------------------------------------------------------------

async function signatures(row) {
  const libraries = [["standardwebhooks", require("standardwebhooks").Webhook], ["svix", (await import("svix")).Webhook]];
  const headers = Object.fromEntries(row.headers.map((line) => line.split(/: (.*)/s).slice(0, 2)));

  for (const [name, Webhook] of libraries) {
    for (const secret of row.verify) {
      try {
        const webhook = secret.startsWith("whsec_") ? new Webhook(secret) : new Webhook(Buffer.from(secret), { format: "raw" });
        webhook.verify(row.body, headers);
      } catch (error) {
        fail(row, `${name}: ${error.message}`);
      }
      let refused = false;
      try {
        new Webhook("whsec_" + Buffer.from("another secret of some length").toString("base64")).verify(row.body, headers);
      } catch {
        refused = true;
      }
      if (!refused) fail(row, `${name} verifies anything`);
    }
  }
}

const json = { slack, teams, discord, google_chat };

// What must be found wrong, or the judges above are none: a good message of each, with one fault.
const broken = [
  ["slack", (m) => { m.blocks[0].text.text = "x".repeat(151); }],
  ["slack", (m) => { m.attachments[0].blocks[0] = { type: "section", text: { type: "plain_text", text: "" } }; }],
  ["slack", (m) => { m.text = "<!channel>"; }],
  ["slack", (m) => { m.attachments[0].blocks = Array(51).fill(m.blocks[0]); }],
  ["teams", (m) => { m.attachments[0].content.body[0].type = "Contanier"; }],
  ["teams", (m) => { m.attachments[0].content.body[0].style = "red"; }],
  ["teams", (m) => { m.attachments[0].content.actions = [{ type: "Action.OpenUrl", title: "x" }]; }],
  ["teams", (m) => { m.attachments[0].content.body.push({ type: "TextBlock", text: "x" }); }],
  ["discord", (m) => { m.embeds[0].title = "x".repeat(257); }],
  ["discord", (m) => { m.embeds[0].description = "x".repeat(4097); }],
  ["discord", (m) => { m.embeds[0].fields = Array(26).fill(m.embeds[0].fields[0]); }],
  ["discord", (m) => { m.embeds[0].fields = Array(7).fill({ name: "x", value: "x".repeat(1000) }); }],
  ["discord", (m) => { m.embeds[0].url = "javascript:alert(1)"; }],
  ["discord", (m) => { m.embeds[0].fields[0].value = " "; }],
  ["discord", (m) => { delete m.allowed_mentions; }],
  ["google_chat", (m) => { m.cardsV2[0].card.sections[0].widgets[0].textParagraph.text = "<a href='https://x.example'>x</a>"; }],
  ["google_chat", (m) => { m.cardsV2[0].card.sections[0].widgets = []; }],
  ["google_chat", (m) => { m.fallbackText = "<users/all>"; }],
];

function judgeTheJudges(rows) {
  for (const [type, spoil] of broken) {
    const row = rows.find((r) => r.type === type && r.name === "full");
    const message = JSON.parse(Buffer.from(row.out, "base64").toString("utf8"));
    const before = failures;

    spoil(message);
    mute = true;
    json[type](row, message, 1000);
    mute = false;
    if (failures > before) failures = before;
    else fail(row, `nobody finds a fault in ${spoil}`);
  }
}
const mails = {};
const rows = readFileSync(process.argv[2], "utf8").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));

judgeTheJudges(rows);
for (const row of rows) {
  try {
    if (row.type === "sign") await signatures(row);
    else if (row.type === "email") mails[row.name] = await email(row, Buffer.from(row.out, "base64"));
    else {
      const bytes = Buffer.from(row.out, "base64");
      json[row.type](row, JSON.parse(bytes.toString("utf8")), bytes.length);
    }
  } catch (error) {
    fail(row, error.stack);
  }
}
writeFileSync(process.argv[3], JSON.stringify(mails));
console.log(`${rows.length} looked at, ${failures} faults`);
process.exit(failures === 0 && rows.length > 0 ? 0 : 1);
