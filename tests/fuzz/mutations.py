"""Ways to spoil a request to the REST surface."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.support.raw_http import Request


@dataclass(frozen=True)
class Spoiled:
    """Bytes to send.

    Attributes:
        complete: Whether a server can tell that nothing more is to come.
    """

    data: bytes
    complete: bool = True


Mutation = Callable[[random.Random, Request], Spoiled]

_ODD_BYTES = [b"\0", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf0\x9f\x92\xa9", b"\x7f", b"\x1b"]
_ODD_TEXTS = [
    *(b"", b"%20", b".", b"..", b"%2e%2e", b"..%2f..", b"%00", b"%ff", b"%zz", b"%", b"%c0%af"),
    *(b"%252f", b"\\", b"'--", b"%27%20or%201=1", b"%0d%0aX-Evil:%201", b"a" * 3000, b"latest"),
    *(b"-1", b"9" * 30, b"*", b"{id}", b":cancel", b"a:b", b"%F0%9F%92%A9", b"null", b";a=b", b"?"),
]
_HEADERS = [
    *(b"Authorization", b"Content-Type", b"Content-Encoding", b"X-Tenant-ID", b"X-Request-ID"),
    *(b"Last-Event-ID", b"Accept", b"Expect", b"TE", b"Upgrade", b"Connection", b"Host", b"Range"),
    *(
        b"grpc-timeout",
        b"grpc-encoding",
        b"grpc-status",
        b"x-http-code",
        b"x-rest-error",
        b"Cookie",
    ),
    *(b"x-local-reply", b"x-envoy-original-method", b"x-envoy-original-path", b"traceparent"),
    *(b"x-envoy-upstream-rq-timeout-ms", b"X-Forwarded-For", b"a-bin", b"Idempotency-Key"),
]
_VALUES = [
    *(b"", b"x", b"bearer", b"Bearer ", b"Bearer sk-", b"Basic YTpi", b"0", b"-1", b"1n", b"500"),
    *(b"gzip", b"100-continue", b"h2c", b"websocket", b"close", b"keep-alive, x", b"trailers"),
    *(b"application/json; charset=utf-16", b"multipart/form-data", b"text/plain", b"\xc3\xa9"),
    *(b"multipart/form-data; boundary=", b"a" * 2000, b"a, b", b'"', b"\xff\xfe", b"$(id)", b"\t"),
]
_JSON = [
    *(b"", b" ", b"{", b"[]", b"null", b"1", b'"a"', b"{}", b'{"skill":', b'{"skill":1}'),
    *(b'{"skill":"echo"}{}', b'{"skill":"echo",}', b'{"skill":"\\ud800"}', b'{"skill":"\\u0000"}'),
    *(b'\xef\xbb\xbf{"skill":"echo"}', b'{"skill":"echo","skill":"nobody"}', b"{'skill':'echo'}"),
    *(b'{"skill":"echo","input":NaN}', b'{"skill":"echo","input":1e999}', b"\xff\xfe{\0}\0"),
    *(b'{"skill":"echo","input":"\xc3\x28"}', b'{"skill":"echo","env":{"A":1}}', b"\x1f\x8b\x08"),
    *(b'{"skill":"echo","env":{"A":"\\u0000"}}', b'{"skill":"echo","args":["\\u0000","\\ud800"]}'),
    *(b'{"skill":"echo","env":{"":""," ":"=","A=B":""}}', b'{"skill":"../x","version":"%00"}'),
    *(b'{"skill":"echo","entrypoint":"../../x"}', b'{"skill":"echo","version":"\xf0\x9f\x92\xa9"}'),
    *(b'{"skill":"echo","input":%s}' % (b"9" * 5000), b'{"skill":"echo","input":"\\u0000\\ud800"}'),
    *(b'{"input":' + b"[" * 3000 + b"]" * 3000 + b',"skill":"echo"}', b"[" * 100_000),
    *(b'{"a":' * 3000 + b"1" + b"}" * 3000, b'{"ttl":"1e9s"}', b'{"ttl":-1,"scopes":[null,{}]}'),
    *(b'{"ttl":"99999999999999s"}', b'{"name":"\\u0000"}', b'{"scopes":["admin","admin"]}'),
]
_CHUNKS = [
    *(b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", b"0\r\nX-Trailer: 1\r\ngrpc-status: 0\r\n\r\n"),
    *(b"5;ext=1\r\nhello\r\n0\r\n\r\n", b"zz\r\nhello\r\n0\r\n\r\n", b"-1\r\n\r\n", b"\r\n\r\n"),
    *(b"5\r\nhelloworld\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n", b"0x5\r\nhello\r\n0\r\n\r\n"),
    *(b"5\nhello\n0\n\n", b" 5\r\nhello\r\n0\r\n\r\n", b"5\r\nhel"),
]
_METHODS = [b"HEAD", b"PUT", b"PATCH", b"OPTIONS", b"TRACE", b"get", b"PRI", b"CONNECT", b"A" * 300]
_METHODS += [b"GE T", b"", b"G\0T", b"POST", b"DELETE", b"*", b"PROPFIND", b"\xff"]
_VERSIONS = [
    b"HTTP/1.0",
    b"HTTP/0.9",
    b"HTTP/2.0",
    b"HTTP/9.9",
    b"http/1.1",
    b"HTTP/1.1 ",
    b"",
    b"X",
]


def path(rng: random.Random, good: Request) -> Spoiled:
    """Puts something odd in the place of a part of the path, or between two."""
    parts = good.target.split(b"/")
    position = rng.randrange(1, len(parts))
    parts[position : position + rng.randint(0, 1)] = [rng.choice([*_ODD_TEXTS, *_ODD_BYTES])]
    return Spoiled(replace(good, target=b"/".join(parts)).encode())


def target(rng: random.Random, good: Request) -> Spoiled:
    """Writes the whole target in a way of its own."""
    plain = good.target
    odd = [
        *(b"//" + plain, b"/x/.." + plain, plain + b"/", plain + b"#a", plain.upper(), b"", b"*"),
        *(b"http://example.com" + plain, b"http://" + plain, plain.replace(b"/", b"%2f"), b"?"),
        *(plain.replace(b"/", b"\\"), plain.replace(b"/", b"/./"), plain[1:], b"/%76%31/skills"),
        *(b"/v1", b"/v1/", b"/", b"/v1/" + b"a/" * 2000, b"/skillbox.auth.v1.ApiKeyService/X"),
        *(
            b"/skillbox.auth.v1.IntrospectionService/Introspect",
            plain + b"\0",
            b"/admin",
            b"/stats",
        ),
    ]
    return Spoiled(replace(good, target=rng.choice(odd)).encode())


def query(rng: random.Random, good: Request) -> Spoiled:
    """Adds parameters that nobody asked for."""
    names = [b"page_size", b"page_token", b"status", b"skill", b"follow", b"after_seq", b"id", b"x"]
    names += [b"run.skill", b"body", b"name", b"", b"%ff", b"__proto__", b"page_size[]"]
    values = [
        *_ODD_TEXTS,
        b"1",
        b"0",
        b"true",
        b"success",
        b"W10",
        b"WyJhIiwiYiJd",
        b"1e3",
        b"2147483648",
    ]
    pairs = [b"%s=%s" % (rng.choice(names), rng.choice(values)) for _ in range(rng.randint(1, 4))]
    return Spoiled(
        replace(good, target=good.target.partition(b"?")[0] + b"?" + b"&".join(pairs)).encode()
    )


def header_value(rng: random.Random, good: Request) -> Spoiled:
    """Gives a header that means something an odd value, in place of its own or beside it."""
    name = rng.choice(_HEADERS)
    own = [item for item in good.headers if rng.random() < 0.5 or item[0] != name]
    value = rng.choice([*_VALUES, *_ODD_TEXTS, *_ODD_BYTES])
    return Spoiled(replace(good, headers=[*own, (name, value)]).encode())


def header_line(rng: random.Random, good: Request) -> Spoiled:
    """Adds a line that is hardly a header."""
    lines = [
        *(b"no colon", b": no name", b" folded: x", b"a b: c", b"a : b", b"a\0: b", b"a: b\rc: d"),
        *(
            b"a: \0",
            b"\xff: x",
            b"a: b\n c",
            b"(a): b",
            b"!#$%&'*+.^`|~: x",
            b"a_b: c",
            b":path: /x",
        ),
        *(b":authority: x", b"Content-Length: 5, 6", b"Content-Length: -1", b"Content-Length: 1e1"),
        *(b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity", b"a: b\r\n\tc"),
        *(b"Host: a\r\nHost: b", b"Content-Length: 0\r\nContent-Length: 1", b"a: " + b"b" * 70_000),
        *(b"a" * 70_000 + b": b", b"\r\n".join(b"a%d: b" % number for number in range(150))),
        *(b"\r\n".join([b"a: b"] * 90), b"Authorization: Bearer x\r\nAuthorization: Bearer y"),
    ]
    name, value = good.headers[0]
    line = (name, value + b"\r\n" + rng.choice(lines))
    # A length that lies, or a body without an end.
    return Spoiled(replace(good, headers=[line, *good.headers[1:]]).encode(), complete=False)


def json_body(rng: random.Random, good: Request) -> Spoiled:
    """Sends JSON that is broken, or not what is asked for."""
    paths = [
        b"/v1/executions",
        b"/v1/api-keys",
        b"/v1/api-keys/x:rotate",
        b"/v1/executions/x:cancel",
    ]
    return Spoiled(
        replace(good, method=b"POST", target=rng.choice(paths), body=rng.choice(_JSON)).encode()
    )


def upload(rng: random.Random, good: Request) -> Spoiled:
    """Uploads what is no skill, or no form."""
    types = [
        *(b"application/zip", b"application/octet-stream", b"multipart/form-data; boundary=b"),
        *(
            b"multipart/form-data",
            b"multipart/form-data; boundary=",
            b"multipart/mixed; boundary=b",
        ),
        *(b"application/zip; a=b", b"text/html", b"", b"APPLICATION/ZIP", b"application/grpc-web"),
        *(b'multipart/form-data; boundary="b', b"multipart/form-data; boundary=" + b"b" * 300),
    ]
    parts = [
        *(
            b"",
            b"PK\x05\x06" + bytes(18),
            b"PK\x03\x04" + bytes(60),
            b"--b--\r\n",
            b"--b\r\n\r\n\r\n--b--",
        ),
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nPK\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xff\0\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="file"; filename*=x\r\n\r\n',
        b"--b\r\nContent-Disposition: \xff\r\n\0: x\r\n\r\n--b--",
        b"--b\r\n" + b"a: b\r\n" * 2000 + b"\r\n--b--",
    ]
    headers = [item for item in good.headers if item[0] != b"Content-Type"]
    headers.append((b"Content-Type", rng.choice(types)))
    spoiled = Request(b"POST", b"/v1/skills", headers, rng.choice(parts))
    return Spoiled(spoiled.encode())


def framing(rng: random.Random, good: Request) -> Spoiled:
    """Lies about where the body ends."""
    length = rng.choice([b"0", b"3", b"1000", b"99999999999", b"99999999999999999999999", b"0x5"])
    chunked = (b"Transfer-Encoding", b"chunked")
    how = rng.choice(
        [[chunked], [(b"Content-Length", length)], [chunked, (b"Content-Length", b"3")]]
    )
    tail = rng.choice(_CHUNKS) if chunked in how else b"hello"
    spoiled = replace(good, method=b"POST", headers=[*good.headers, *how], tail=tail)
    return Spoiled(spoiled.encode(), complete=False)


def start_line(rng: random.Random, good: Request) -> Spoiled:
    """Asks with another method, or in another version."""
    if rng.random() < 0.5:
        return Spoiled(replace(good, method=rng.choice(_METHODS)).encode(), complete=False)
    return Spoiled(replace(good, version=rng.choice(_VERSIONS)).encode(), complete=False)


def flipped(rng: random.Random, good: Request) -> Spoiled:
    """Changes some bytes anywhere."""
    data = bytearray(good.encode())
    for _ in range(rng.randint(1, 6)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return Spoiled(bytes(data), complete=False)


def cut(rng: random.Random, good: Request) -> Spoiled:
    """Leaves out a stretch, or the end."""
    data = good.encode()
    start = rng.randrange(len(data))
    end = len(data) if rng.random() < 0.5 else rng.randrange(start, len(data))
    return Spoiled(data[:start] + data[end:], complete=False)


def noise(rng: random.Random, good: Request) -> Spoiled:
    """Is no HTTP at all."""
    odd = [
        *(
            b"\r\n" * 10 + good.encode(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
        ),
        *(
            rng.randbytes(300),
            b"\n" * 500,
            b"GET /\r\n",
        ),
        *(
            good.encode().replace(b"\r\n", b"\n"),
            good.encode().replace(b"\r\n", b"\r"),
            b"\0" * 100,
        ),
        *(
            b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + good.encode(),
            b"SSH-2.0-x\r\n",
            b"A" * 80_000,
        ),
    ]
    return Spoiled(rng.choice(odd), complete=False)


MUTATIONS: list[Mutation] = [
    *(path, target, query, header_value, header_line, json_body, upload),
    *(framing, start_line, flipped, cut, noise),
]
