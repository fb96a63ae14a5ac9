//! The requests of the probe client: a table.

/// One request.
pub(super) struct Request {
    pub(super) name: &'static str,
    pub(super) port: u16,
    pub(super) text: &'static str,
    /// What its answer has in its first bytes.
    pub(super) answer: &'static str,
}

/// One for each protocol, and the API.
pub(super) const REQUESTS: &[Request] = &[
    Request {
        name: "API",
        port: 7979,
        text: "GET /api/v1/connections?limit=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        answer: "{\"connections\":[",
    },
    Request {
        name: "health",
        port: 7979,
        text: "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        answer: "\"status\":",
    },
    Request {
        name: "metrics",
        port: 7979,
        text: "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        answer: "# TYPE conns",
    },
    Request {
        name: "1e",
        port: 7980,
        text: "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 25\r\n\r\n\
                Network.GetConnections();",
        answer: "\"LocalAddress\"",
    },
    Request {
        name: "monero",
        port: 18081,
        text: "POST /json_rpc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 53\r\n\r\n\
                {\"jsonrpc\":\"2.0\",\"id\":\"0\",\"method\":\"get_connections\"}",
        answer: "\"connections\": [{",
    },
    Request {
        name: "ems-http",
        port: 7777,
        text: "GET /getConnectionsCount HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        answer: "\"count\":",
    },
    Request {
        name: "ems-json",
        port: 1112,
        text: "getConnectionsCount\r\nquit\r\n",
        answer: "\"count\":",
    },
    Request {
        name: "ems-ascii",
        port: 1222,
        text: "getConnectionsCount\r\nquit\r\n",
        answer: "count",
    },
    Request {
        name: "jetstream over HTTP",
        port: 8886,
        text: "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 53\r\n\r\n\
                {\"jsonrpc\":\"2.0\",\"method\":\"getConnections\",\"id\":\"me\"}",
        answer: "\"result\"",
    },
    Request {
        name: "jetstream in lines",
        port: 8886,
        text: "{\"jsonrpc\":\"2.0\",\"method\":\"getServerInfo\",\"id\":1}\n",
        answer: "\"result\"",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_length_is_that_of_the_body() {
        for request in REQUESTS {
            let Some((head, body)) = request.text.split_once("\r\n\r\n") else { continue };
            let declared = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            assert_eq!(declared.map_or(Ok(0), str::parse), Ok(body.len()), "{}", request.name);
        }
    }
}
