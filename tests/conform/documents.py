"""JSON documents, made from the grammar of RFC 8259, and what the service is to say of each.

Names begin with y_ (the grammar takes it), n_ (it does not) or i_ (RFC 8259 leaves it to the reader, and contract §3
decides).  The verdict is None where the document is to be judged by its content, else the code of the one issue: `json` or
`duplicate`.
"""

import itertools

JSON, DUPLICATE = "json", "duplicate"


def numbers():
    """§6: number = [ minus ] int [ frac ] [ exp ], every choice of every part."""
    whole = ["0", "7", "10", "1234567890"]
    for minus, i, frac, exp in itertools.product(["", "-"], whole, ["", ".0", ".25"], ["", "e1", "E+2", "e-03"]):
        yield "y_number_%s%s%s%s" % (minus, i, frac, exp), minus + i + frac + exp, None
    for text in ("01", "-01", "00", "+1", "-", "- 1", ".5", "-.5", "1.", "-1.", "1.e1", "1e", "1e+", "1E-", "1e1.5", "1ee1", "0x1",
                 "0b1", "1_000", "1,5", "NaN", "-NaN", "nan", "Infinity", "-Infinity", "inf", "1f", "1L", "--1", "1-", "1+1", "0e",
                 "\uff11", "1 2", "1e\u0661", "\u2212 1", "0.", "0.e1", "0E", "9.e+", "-0x", "1a", "- "):
        yield "n_number_%s" % text, text, JSON
    for text in ("1e400", "-1e400", "1e-400", "9" * 400, "0." + "0" * 400 + "1", "123456789012345678901234567890.5",
                 "-9223372036854775809", "18446744073709551616", "0e99999", "1e+0000000001"):
        yield "i_number_%s" % text[:24], text, None


def strings():
    """§7: which characters may stand there raw, which escapes there are."""
    for c in range(0x20):
        yield "n_string_raw_%02x" % c, b'"a' + bytes([c]) + b'b"', JSON
    for c in "\x7f\u0080\u009f\u00e9\u2028\u2029\u200e\ufdd0\ufeff\uffff\U0001f600\U0010ffff":
        yield "y_string_raw_%04x" % ord(c), '"a%sb"' % c, None
    for c in range(0x20, 0x7f):
        good = chr(c) in '"\\/bfnrt'
        if chr(c) != "u":
            yield "%s_string_escape_%02x" % ("y" if good else "n", c), '"a\\%cb"' % c, None if good else JSON
    for c in (0, 0x0a, 0x1f, 0x80, 0xff):
        yield "n_string_escape_raw_%02x" % c, b'"\\' + bytes([c]) + b'"', JSON
    for text in (r"\u00e9", r"\u00E9", r"\uABCD", r"\uabcd", r"\u0001", r"\u001f", r"\u0022", r"\u005c", r"\uffff", r"\ufeff",
                 r"\ud83d\ude00", r"\uD83D\uDE00", r"\udbff\udfff", r"\ud800\udc00", r"\\u0000", r"\u0020"):
        yield "y_string_%s" % text, '"%s"' % text, None
    for text in (r"\u", r"\u1", r"\u12", r"\u123", r"\u123g", r"\u-123", r"\u+123", r"\u 123", r"\u0x12", r"\U0001f600", r"\x41",
                 r"\101", r"\u{41}", "\\u\uff11111", "\\", r"\u00", "\\\n"):
        yield "n_string_%s" % text, '"%s"' % text, JSON
    for text in (r"\ud800", r"\udc00", r"\udc00\udc00", r"\udfff", r"\udbff", r"\ude00\ud83d", r"\ud800\ud800\udc00", r"\ud800x", r"\ud800\n",
                 r"\ud800\u0041", r"\ud800\\udc00", r"\ud83d\ude00\ud83d", r"\u0000", r"a\u0000b"):
        yield "i_string_%s" % text, '"%s"' % text, JSON
    for text in ("'a'", "`a`", "\u201ca\u201d", '"a', 'a"', '"', "a", '"a""b"', '"a" "b"', '"""a"""', 'u"a"', '"a"b'):
        yield "n_string_quotes_%s" % text, text, JSON


# RFC 3629: what is no UTF-8, each with the reason.
UTF8_FAULTS = [
    ("lone continuation", b"\x80"), ("lone continuation bf", b"\xbf"), ("two of them", b"\x80\xbf"), ("c0", b"\xc0\x80"),
    ("overlong slash", b"\xc0\xaf"), ("c1", b"\xc1\xbf"), ("overlong 3", b"\xe0\x80\xaf"), ("overlong 3 high", b"\xe0\x9f\xbf"),
    ("overlong 4", b"\xf0\x80\x80\xaf"), ("overlong 4 high", b"\xf0\x8f\xbf\xbf"), ("overlong NUL", b"\xe0\x80\x80"),
    ("overlong 5", b"\xf8\x80\x80\x80\xaf"), ("overlong 6", b"\xfc\x80\x80\x80\x80\xaf"), ("surrogate", b"\xed\xa0\x80"),
    ("last surrogate", b"\xed\xbf\xbf"), ("a pair of them", b"\xed\xa0\xbd\xed\xb8\x80"), ("over the end", b"\xf4\x90\x80\x80"),
    ("f5", b"\xf5\x80\x80\x80"), ("fe", b"\xfe"), ("ff", b"\xff"), ("cut 2", b"\xc3"), ("cut 3", b"\xe2\x82"),
    ("cut 4", b"\xf0\x9f\x98"), ("cut and text", b"\xe2\x82a"), ("latin-1", "\u00e9".encode("latin-1")),
]


def utf8():
    for name, text in UTF8_FAULTS:
        yield "n_utf8_%s" % name, b'"a' + text + b'b"', JSON
        yield "n_utf8_last_%s" % name, b'"' + text + b'"', JSON
        yield "n_utf8_outside_%s" % name, text, JSON
        yield "n_utf8_key_%s" % name, b'{"' + text + b'":1}', JSON


def structures():
    """§2 to §5: values, objects, arrays and the white space between them."""
    for text in ("null", "true", "false", "[]", "{}", "[ ]", "{ }", "[[]]", "[1,2]", '{"a":1}', '{"a":{"b":[]}}', '{"":0}', '""',
                 " \t\r\n[\t1\r,\n2 ]\n", '{"a":1,"A":2}', '{"a":[],"b":[]}', '[null,1,"1",{},[]]', '{"a":1,"\\u0062":2}'):
        yield "y_structure_%s" % text, text, None
    for text in ("[", "]", "{", "}", "[1", "[1,", "[,1]", "[1,]", "[1,,2]", "[,]", "[1 2]", "[1;2]", "[1:2]", "(1)", '{"a"}', '{"a":}',
                 '{"a" 1}', '{"a"=1}', '{"a"::1}', "{:1}", "{,}", '{"a":1,}', '{,"a":1}', '{"a":1,,"b":2}', '{"a":1 "b":2}', "{a:1}",
                 "{'a':1}", "{1:1}", "{null:1}", "{[]:1}", '{"a":1}}', "[1]]", "[}", "{]", '{"a":[1}', '[{"a":1]', "{}{}", "[][]", "[] []",
                 "1 1", "nul", "nulll", "Null", "NULL", "True", "TRUE", "fals", "undefined", "None", "", " ", "\n", "//\n[]", "[]//",
                 "/**/[]", "[/**/]", "#\n[]", "[]#", "[1]x", "x[1]", ",", ":", '"', "<a/>", "a=1", "--", "[...]", "!", "*", "&x",
                 "[\u00a01]", "[\u20281]", "[\u30001]", "[\x0b1]", "[\x0c1]", "[\x001]", "[]\x00", "\x00[]", "[\x1e]", "\x1e[]", "[\ufeff1]",
                 "[]\ufeff", '{"a":1;"b":2}', "[truefalse]", "[true false]", "[-]", "[1]\\n", "\\u005b\\u005d"):
        yield "n_structure_%s" % text.encode("unicode_escape").decode(), text, JSON
    for name, mark in (("utf8", b"\xef\xbb\xbf"), ("half", b"\xef\xbb")):
        yield "i_mark_%s" % name, mark + b"{}", JSON
    for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        yield "n_encoding_%s" % name, '{"a":1}'.encode(name), JSON
    for depth in (1, 15, 16):
        yield "y_depth_%d" % depth, "[" * depth + "]" * depth, None
    for depth in (17, 18, 1000, 30000):
        yield "i_depth_%d" % depth, "[" * depth + "]" * depth, JSON
        yield "n_depth_open_%d" % depth, "[" * depth, JSON
    yield "y_depth_side_by_side", "[" + ",".join(["[[]]"] * 500) + "]", None
    for text in ('{"a":1,"a":1}', '{"a":1,"b":2,"a":3}', r'{"a":1,"\u0061":2}', r'{"/":1,"\/":2}', '{"":1,"":2}',
                 '{"x":{"a":1,"a":2}}', '[{"a":1,"a":2}]', r'{"\ud83d\ude00":1,"%s":2}' % "\U0001f600"):
        yield "i_twice_%s" % text, text, DUPLICATE


def every():
    """All of them: (name, bytes, verdict)."""
    for name, text, verdict in itertools.chain(numbers(), strings(), utf8(), structures()):
        yield name, text if isinstance(text, bytes) else text.encode(), verdict
