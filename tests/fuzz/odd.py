"""Parts of requests that nobody expects."""

BYTES = [b"\0", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf0\x9f\x92\xa9", b"\x7f", b"\x1b"]
TEXTS = [
    *(b"", b"%20", b".", b"..", b"%2e%2e", b"..%2f..", b"%00", b"%ff", b"%zz", b"%", b"%c0%af"),
    *(b"%252f", b"\\", b"'--", b"%27%20or%201=1", b"%0d%0aX-Evil:%201", b"a" * 3000, b"latest"),
    *(b"-1", b"9" * 30, b"*", b"{id}", b":cancel", b"a:b", b"%F0%9F%92%A9", b"null", b";a=b", b"?"),
]
HEADERS = [
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
VALUES = [
    *(b"", b"x", b"bearer", b"Bearer ", b"Bearer sk-", b"Basic YTpi", b"0", b"-1", b"1n", b"500"),
    *(b"gzip", b"100-continue", b"h2c", b"websocket", b"close", b"keep-alive, x", b"trailers"),
    *(b"application/json; charset=utf-16", b"multipart/form-data", b"text/plain", b"\xc3\xa9"),
    *(b"multipart/form-data; boundary=", b"a" * 2000, b"a, b", b'"', b"\xff\xfe", b"$(id)", b"\t"),
]
JSON = [
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
CHUNKS = [
    *(b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", b"0\r\nX-Trailer: 1\r\ngrpc-status: 0\r\n\r\n"),
    *(b"5;ext=1\r\nhello\r\n0\r\n\r\n", b"zz\r\nhello\r\n0\r\n\r\n", b"-1\r\n\r\n", b"\r\n\r\n"),
    *(b"5\r\nhelloworld\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n", b"0x5\r\nhello\r\n0\r\n\r\n"),
    *(b"5\nhello\n0\n\n", b" 5\r\nhello\r\n0\r\n\r\n", b"5\r\nhel"),
]
METHODS = [b"HEAD", b"PUT", b"PATCH", b"OPTIONS", b"TRACE", b"get", b"PRI", b"CONNECT", b"A" * 300]
METHODS += [b"GE T", b"", b"G\0T", b"POST", b"DELETE", b"*", b"PROPFIND", b"\xff"]
VERSIONS = [
    b"HTTP/1.0",
    b"HTTP/0.9",
    b"HTTP/2.0",
    b"HTTP/9.9",
    b"http/1.1",
    b"HTTP/1.1 ",
    b"",
    b"X",
]
