# SPDX-License-Identifier: Apache-2.0
"""Rules as Refinery's documentation has them, and as docs/rules.md says where it differs: the slow and plain way.

Span: attributes, resource (bytes to value), name, kind, status, start, end, root. Values are bytes, bool, int, float.
"""
import math
import re

NEGATIVE = {"not-exists": "exists", "not-in": "in", "does-not-contain": "contains"}
ABSENT = object()


def text_of(value):
    """What Go's %v prints."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int):
        return b"%d" % value
    if math.isnan(value):
        return b"NaN"
    if math.isinf(value):
        return b"+Inf" if value > 0 else b"-Inf"
    mantissa, exponent = ("%r" % value if "e" in "%r" % value else "%re0" % value).split("e")
    sign, digits = ("-", mantissa[1:]) if mantissa[0] == "-" else ("", mantissa)
    whole, _, fraction = digits.partition(".")
    shift = int(exponent) + len(whole)
    digits = (whole + fraction).lstrip("0")
    shift -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    if not digits:
        return (sign + "0").encode()
    if shift - 1 < -4 or shift - 1 >= 21:
        tail = "." + digits[1:] if digits[1:] else ""
        return ("%s%s%se%+03d" % (sign, digits[0], tail, shift - 1)).encode()
    if shift <= 0:
        return (sign + "0." + "0" * -shift + digits).encode()
    if shift >= len(digits):
        return (sign + digits + "0" * (shift - len(digits))).encode()
    return (sign + digits[:shift] + "." + digits[shift:]).encode()


def int_of(value):
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if -2**63 <= value < 2**63 else -2**63
    if re.fullmatch(rb"[+-]?[0-9]+", value) and -2**63 <= int(value) < 2**63:
        return int(value)
    return None


def float_of(value):
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    if re.fullmatch(rb"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", value):
        number = float(value)
        return None if math.isinf(number) else number
    if re.fullmatch(rb"(?i)[+-]?inf(inity)?|nan", value):
        return float(value)
    return None


def bool_of(value):
    return text_of(value) in (b"1", b"t", b"T", b"true", b"TRUE", b"True")


def compare(operator, a, b):
    return {"=": a == b, "!=": a != b, ">": a > b, ">=": a >= b, "<": a < b, "<=": a <= b}[operator]


def compared(operator, datatype, value, want):
    if datatype == "string":
        return compare(operator, text_of(value), want)
    if datatype == "int":
        number = int_of(value)
        return number is not None and compare(operator, number, int_of(want))
    if datatype == "float":
        number = float_of(value)
        return number is not None and compare(operator, number, float_of(want))
    if datatype == "bool":
        return compare(operator, bool_of(value), want == b"true")
    if isinstance(value, bytes):
        return compare(operator, value, want)
    if isinstance(value, bool):
        return want in (b"true", b"false", b"0", b"1") and compare(operator, value, want in (b"true", b"1"))
    number = float_of(want)
    return number is not None and compare(operator, value, int_of(want) if int_of(want) is not None else number)


def among(datatype, value, wanted):
    if datatype == "int":
        return int_of(value) is not None and int_of(value) in [int_of(w) for w in wanted]
    if datatype == "float":
        return float_of(value) is not None and float_of(value) in [float_of(w) for w in wanted]
    return text_of(value) in wanted


def holds(condition, value):
    operator, datatype = condition["operator"], condition.get("datatype", "any")
    wanted = condition.get("value", [])
    wanted = [w.encode() for w in (wanted if isinstance(wanted, list) else [wanted])]
    if operator in NEGATIVE:
        return not holds(dict(condition, operator=NEGATIVE[operator]), value)
    if value is ABSENT:
        return False
    if operator == "exists":
        return True
    if operator == "in":
        return among(datatype, value, wanted)
    if operator == "contains":
        return wanted[0] in text_of(value)
    if operator == "starts-with":
        return text_of(value).startswith(wanted[0])
    if operator == "matches":
        return re.search(wanted[0].replace(b"$", rb"\Z"), text_of(value)) is not None
    return compared(operator, datatype, value, wanted[0])


OWN = {
    "name": lambda s: s.name,
    "span.kind": lambda s: [b"unspecified", b"internal", b"server", b"client", b"producer", b"consumer"][s.kind],
    "status_code": lambda s: s.status,
    "duration_ms": lambda s: (s.end - s.start) / 1e6 if s.end > s.start else 0.0,
    "error": lambda s: True if s.status == 2 else ABSENT,
    "trace.parent_id": lambda s: ABSENT if s.root else s.parent,
}


def value_of(span, fields):
    for field in fields:
        if field in OWN:
            value = OWN[field](span)
            if value is not ABSENT:
                return value
            if field != "error":
                continue
        for place in (span.attributes, span.resource):
            if field.encode() in place:
                return place[field.encode()]
    return ABSENT


def fields_of(condition):
    return condition.get("fields") or [condition["field"]]


def anywhere(condition, spans):
    """Somewhere in the trace; what is denied, nowhere."""
    def one(operator):
        return any(holds(dict(condition, operator=operator), value_of(s, fields_of(condition))) for s in spans)

    operator = condition["operator"]
    if operator in NEGATIVE:
        return not one(NEGATIVE[operator])
    return one(operator) and (operator != "!=" or not one("="))


def matches(rule, spans):
    scope, root, span, whole = rule.get("scope", "trace"), [], [], []
    for condition in rule.get("conditions", []):
        if condition["operator"] == "has-root-span":
            if any(s.root for s in spans) != (condition["value"] == "true"):
                return False
            continue
        fields = fields_of(condition)
        if fields[0] in ("?.NUM_DESCENDANTS", "meta.span_count"):
            if not holds(condition, len(spans)):
                return False
        elif scope == "root" or fields[0].startswith("root."):
            root.append(dict(condition, field="", fields=[re.sub(r"^root\.", "", f) for f in fields]))
        else:
            (span if scope == "span" else whole).append(condition)
    together = [(root, [s for s in spans if s.root]), (span, spans)]
    return all(not conditions or any(all(holds(c, value_of(s, fields_of(c))) for c in conditions) for s in among_)
               for conditions, among_ in together) and all(anywhere(c, spans) for c in whole)


def fnv(data):
    number = 0xcbf29ce484222325
    for byte in data:
        number = (number ^ byte) * 0x100000001b3 % 2**64
    return number


def decide(config, trace_id, spans):
    """Returns the rule's number and whether it keeps."""
    for number, rule in enumerate(config["rules"]):
        if matches(rule, spans):
            rate = 1 if rule.get("keep") else rule.get("sample_rate", 0)
            salt = (config.get("hash_salt") or "default-hash-seed").encode()
            return number, rate > 0 and (rate == 1 or fnv(salt + trace_id) <= (2**64 - 1) // rate)
    return len(config["rules"]), config.get("otherwise", "keep") == "keep"
