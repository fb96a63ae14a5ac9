//! A URI in its parts.

use crate::ems::print::Printer;

/// A URI in the parts in which EMS lists it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::ems) struct Uri {
    pub(super) text: String,
}

/// The parts of a URI, as slices of it.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    scheme: &'a str,
    user: &'a str,
    password: &'a str,
    host: &'a str,
    port: Option<u16>,
    /// From the first slash on, without parameters.
    path: &'a str,
    parameters: &'a str,
}

impl Uri {
    pub(in crate::ems) fn new(text: String) -> Self {
        Self { text }
    }

    fn parts(&self) -> Parts<'_> {
        let (scheme, rest) = self.text.split_once("://").unwrap_or(("", &self.text));
        let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let at = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let is_open = place.starts_with('[') && place.ends_with(']');
        let (host, port) = match place.rsplit_once(':').filter(|_| !is_open) {
            Some((host, port)) => (host, port.parse().ok()),
            None => (place, None),
        };
        Parts { scheme, user, password, host, port, path, parameters }
    }

    /// Writes its parts as keys.
    pub(super) fn write(&self, printer: &mut Printer) {
        let Parts { scheme, user, password, host, port, path, parameters } = self.parts();
        let (directory, document) = match path.rfind('/') {
            Some(at) => path.split_at(at + 1),
            None => ("/", path),
        };
        let with = |path: &str| match parameters {
            "" => path.to_owned(),
            _ => format!("{path}?{parameters}"),
        };
        let default_port = match scheme {
            "rtsp" => 554,
            "http" => 80,
            "https" | "rtmps" => 443,
            _ => 1935,
        };
        let place = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let without_login = format!("{scheme}://{place}{}", with(path));
        let mut text = |key, text: &str| {
            printer.key(key);
            printer.text(text);
        };
        text("document", document);
        text("documentPath", directory);
        text("documentWithFullParameters", &with(document));
        text("fullDocumentPath", path);
        text("fullDocumentPathWithParameters", &with(path));
        text(
            "fullParameters",
            &if parameters.is_empty() { String::new() } else { format!("?{parameters}") },
        );
        text("fullUri", &without_login);
        text("fullUriWithAuth", &self.text);
        text("host", host);
        text("ip", "");
        text("originalUri", &self.text);
        printer.key("parameters");
        printer.object(|_| {});
        printer.key("password");
        printer.text(password);
        printer.key("port");
        printer.unsigned(port.unwrap_or(default_port).into());
        printer.key("portSpecified");
        printer.boolean(port.is_some());
        printer.key("scheme");
        printer.text(scheme);
        printer.key("userName");
        printer.text(user);
    }
}

#[cfg(test)]
mod tests {
    use super::{Parts, Uri};

    #[test]
    fn a_uri_is_split() {
        let uri = Uri::new("rtmp://user:secret@[::1]:1945/peer/p1?a=b".into());
        let expected = Parts {
            scheme: "rtmp",
            user: "user",
            password: "secret",
            host: "[::1]",
            port: Some(1945),
            path: "/peer/p1",
            parameters: "a=b",
        };
        assert_eq!(uri.parts(), expected);
        let uri = Uri::new("rtmp://host/live".into());
        let parts = uri.parts();
        assert_eq!((parts.host, parts.port, parts.path), ("host", None, "/live"));
        assert_eq!(Uri::new("[::1]".into()).parts().host, "[::1]");
    }
}
