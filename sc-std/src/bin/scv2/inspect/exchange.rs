//! Requests and answers as a recording has them.

/// One request and its answer; a recording may have only one of them.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    pub(super) request: Option<Request>,
    pub(super) response: Option<Response>,
}

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// The whole URL, or, where the recording has no more, the path.
    pub(super) url: String,
    pub(super) message: Message,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) message: Message,
}

/// What both have.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
}

/// A body.
#[derive(Debug)]
pub(super) enum Body {
    /// All of it, perhaps nothing.
    Bytes(Vec<u8>),
    /// It is not in the recording, or not whole, for this reason.
    Lost(&'static str),
    /// The same, and what there is begins like an envelope.
    LostEnvelope(&'static str),
}

impl Request {
    /// The path of the URL.
    pub(super) fn path(&self) -> &str {
        let url = self.url.as_str();
        let path = match url.split_once("://") {
            Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
            None => url,
        };
        path.split(['?', '#']).next().unwrap_or(path)
    }
}

impl Message {
    /// The value of a header, whose name is given in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }

    /// Its type, as it says.
    pub(super) fn kind(&self) -> &str {
        self.header("content-type").unwrap_or("an unknown type")
    }

    /// The bytes of the body, if the recording has them.
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Bytes(bytes) => bytes,
            Body::Lost(_) | Body::LostEnvelope(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_without_host_and_query() {
        for (url, path) in [
            ("https://api.example/web/v1?x=/y", "/web/v1"),
            ("https://api.example", "/"),
            ("/web/v1#part", "/web/v1"),
            ("*", "*"),
            ("", ""),
        ] {
            let message = Message { headers: Vec::new(), body: Body::Lost("") };
            let request = Request { method: "GET".to_owned(), url: url.to_owned(), message };
            assert_eq!(request.path(), path, "{url}");
        }
    }
}
