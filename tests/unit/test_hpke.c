/* hpke against the vectors of RFC 9180 A.1.1, the same with AES-256-GCM, and what must fail. */
#include "base/hpke.h"

#include "bytes.h"
#include "hpke_vectors.h"

/* Does ${ctx} hold what ${v} derives, and nothing behind the key? */
static void
check_context(const struct hpke_vector *v, const struct hpke_context *ctx)
{
	struct bytes key = bytes_hex(v->key), nonce = bytes_hex(v->base_nonce);

	CHECK(v->name, memcmp(ctx->key, key.b, key.len) == 0);
	CHECK(v->name, bytes_are(ctx->key + key.len, sizeof(ctx->key) - key.len, 0));
	CHECK(v->name, memcmp(ctx->base_nonce, nonce.b, HPKE_NONCE_LEN) == 0);
	CHECK(v->name, ctx->seq == 0);
}

static void
setup(const struct hpke_vector *v, struct hpke_context *sender, struct hpke_context *receiver)
{
	struct bytes info = bytes_hex(v->info), pk_r = bytes_hex(v->pk_r);
	enum hpke_aead aead = (enum hpke_aead)v->aead_id;
	uint8_t enc[HPKE_ENC_LEN];

	CHECK(v->name, hpke_setup_sender(aead, pk_r.b, bytes_hex(v->sk_e).b, bytes_slice(&info),
			   sender, enc) == ERR_OK);
	CHECK(v->name, memcmp(enc, bytes_hex(v->enc).b, sizeof(enc)) == 0);
	CHECK(v->name, hpke_setup_receiver(aead, enc, bytes_hex(v->sk_r).b, pk_r.b,
			   bytes_slice(&info), receiver) == ERR_OK);
}

static void
test_setup(void **st)
{
	struct hpke_context sender, receiver;
	const struct hpke_vector *v;

	(void)st;
	for (v = hpke_vectors; v < hpke_vectors + NELEMS(hpke_vectors); v++) {
		setup(v, &sender, &receiver);
		check_context(v, &sender);
		check_context(v, &receiver);
	}
}

static void
test_messages(void **st)
{
	struct hpke_context sender, receiver;
	const struct hpke_vector *v;
	const struct hpke_message *m;
	struct bytes aad, pt, ct;
	uint8_t out[BYTES_MAX];

	(void)st;
	for (v = hpke_vectors; v < hpke_vectors + NELEMS(hpke_vectors); v++) {
		setup(v, &sender, &receiver);
		for (m = v->messages; m < v->messages + NELEMS(v->messages); m++) {
			aad = bytes_hex(m->aad);
			pt = bytes_hex(m->pt);
			ct = bytes_hex(m->ct);
			sender.seq = m->seq;
			CHECK(m->aad,
			    hpke_seal(&sender, bytes_slice(&aad), bytes_slice(&pt), out) == ERR_OK);
			CHECK(m->aad, memcmp(out, ct.b, ct.len) == 0);
			CHECK(m->aad, sender.seq == m->seq + 1);
			memset(out, 0x5a, sizeof(out));
			CHECK(m->aad, hpke_open(&receiver, m->seq, bytes_slice(&aad),
					  bytes_slice(&ct), out) == ERR_OK);
			CHECK(m->aad, memcmp(out, pt.b, pt.len) == 0 && out[pt.len] == 0x5a);
		}
	}
}

static void
test_refusals(void **st)
{
	const struct hpke_vector *v = &hpke_vectors[1];
	const struct hpke_message *m = &v->messages[0];
	struct bytes aad = bytes_hex(m->aad), ct = bytes_hex(m->ct);
	struct slice none = slice_of("");
	struct hpke_context sender, receiver;
	uint8_t out[BYTES_MAX], zero[HPKE_KEY_LEN] = {0};

	(void)st;
	setup(v, &sender, &receiver);
	memset(out, 0x5a, sizeof(out));
	CHECK("seq",
	    hpke_open(&receiver, 1, bytes_slice(&aad), bytes_slice(&ct), out) == ERR_DAMAGED);
	CHECK("high seq", hpke_open(&receiver, 1ull << 63, bytes_slice(&aad), bytes_slice(&ct),
			      out) == ERR_DAMAGED);
	CHECK("aad", hpke_open(&receiver, 0, none, bytes_slice(&ct), out) == ERR_DAMAGED);
	CHECK("empty", hpke_open(&receiver, 0, bytes_slice(&aad), none, out) == ERR_DAMAGED);
	CHECK("untouched", bytes_are(out, sizeof(out), 0x5a));
	sender.seq = UINT64_MAX;
	CHECK("used up", hpke_seal(&sender, none, none, out) == ERR_SPACE);
	CHECK("used up: nothing written", bytes_are(out, sizeof(out), 0x5a));
	CHECK("low-order pk_r",
	    hpke_setup_sender(HPKE_AES_256_GCM, zero, NULL, none, &sender, out) == ERR_INVALID);
	CHECK("low-order pk_r: wiped", bytes_are(&sender, sizeof(sender), 0));
	CHECK("low-order enc", hpke_setup_receiver(HPKE_AES_256_GCM, zero, bytes_hex(v->sk_r).b,
				   bytes_hex(v->pk_r).b, none, &receiver) == ERR_INVALID);
	CHECK("low-order enc: wiped", bytes_are(&receiver, sizeof(receiver), 0));
}

/* With a random sk_e: another enc each time, and the receiver gets what was sealed, under the same
 * info only. */
static void
test_random_ephemeral(void **st)
{
	const struct hpke_vector *v = &hpke_vectors[1];
	struct bytes pk_r = bytes_hex(v->pk_r), sk_r = bytes_hex(v->sk_r);
	struct slice info = slice_of("info"), text = slice_of("text"), none = slice_of("");
	uint8_t enc[2][HPKE_ENC_LEN], ct[4 + HPKE_TAG_LEN], out[4];
	struct hpke_context sender, receiver;
	size_t i;

	(void)st;
	for (i = 0; i < 2; i++) {
		CHECK("sender", hpke_setup_sender(HPKE_AES_256_GCM, pk_r.b, NULL, info, &sender,
				    enc[i]) == ERR_OK);
		CHECK("seal", hpke_seal(&sender, none, text, ct) == ERR_OK);
		CHECK("receiver", hpke_setup_receiver(HPKE_AES_256_GCM, enc[i], sk_r.b, pk_r.b,
				      info, &receiver) == ERR_OK);
		CHECK("open",
		    hpke_open(&receiver, 0, none, slice_make(ct, sizeof(ct)), out) == ERR_OK);
		CHECK("text", memcmp(out, "text", 4) == 0);
		CHECK("other info: receiver", hpke_setup_receiver(HPKE_AES_256_GCM, enc[i], sk_r.b,
						  pk_r.b, text, &receiver) == ERR_OK);
		CHECK("other info",
		    hpke_open(&receiver, 0, none, slice_make(ct, sizeof(ct)), out) == ERR_DAMAGED);
	}
	CHECK("enc", memcmp(enc[0], enc[1], HPKE_ENC_LEN) != 0);
}

static int
group_setup(void **st)
{
	(void)st;
	return (crypt_init() == ERR_OK ? 0 : -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_setup),
	    cmocka_unit_test(test_messages),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_random_ephemeral),
	};

	return (cmocka_run_group_tests(tests, group_setup, NULL));
}
