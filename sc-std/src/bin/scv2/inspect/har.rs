//! HAR files (HTTP Archive 1.2), which browsers and proxies write.

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Deserializer};

use super::exchange::{Body, Exchange, Message, Request, Response};

const NOT_SAVED: &str = "this HAR has no such body: save it with content";
const BESIDE: &str = "this HAR keeps the body in a file of its own: save it in one file";
const BAD_BASE64: &str = "this HAR says Base64 of the body, and it is none";
const BYTES_LOST: &str = "this HAR has lost bytes of the body: who wrote it took them for text. Record with curl --trace, or a proxy that \
     writes Base64";

#[derive(Deserialize)]
struct File {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    #[serde(default, deserialize_with = "or_default")]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    request: EntryRequest,
    response: Option<EntryResponse>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryRequest {
    method: String,
    url: String,
    #[serde(default, deserialize_with = "or_default")]
    headers: Vec<Header>,
    post_data: Option<Content>,
    body_size: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryResponse {
    status: Option<f64>,
    status_text: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    headers: Vec<Header>,
    content: Option<Content>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    value: String,
}

/// `postData` or `content`.
#[derive(Deserialize)]
struct Content {
    text: Option<String>,
    encoding: Option<String>,
    size: Option<f64>,
    #[serde(rename = "_file")]
    file: Option<String>,
}

/// Some tools write `null` where they have nothing.
fn or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(json: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(json)?.unwrap_or_default())
}

/// Reads a HAR file.
pub(super) fn read(json: &[u8]) -> Result<Vec<Exchange>, String> {
    // The error of the format may repeat what is in the file.
    let file: File = serde_json::from_slice(json)
        .map_err(|error| format!("the HAR file breaks its form at line {}", error.line()))?;
    Ok(file.log.entries.into_iter().map(exchange).collect())
}

fn exchange(entry: Entry) -> Exchange {
    let EntryRequest { method, url, headers, post_data, body_size } = entry.request;
    let sent = body(post_data, announces_body(&method, body_size, &headers));
    let request = Request { method, url, message: message(headers, sent) };
    // A request without an answer has the status 0.
    let response = entry.response.and_then(|response| {
        let status = response.status.filter(|status| *status >= 100.0)?;
        let status = format!("{status:.0}").parse().ok()?;
        let size = response.content.as_ref().and_then(|content| content.size);
        let received = body(response.content, size.is_some_and(|size| size > 0.0));
        let reason = response.status_text.unwrap_or_default();
        Some(Response { status, reason, message: message(response.headers, received) })
    });
    Exchange { request: Some(request), response }
}

fn message(headers: Vec<Header>, body: Body) -> Message {
    Message { headers: headers.into_iter().map(|header| (header.name, header.value)).collect(), body }
}

/// Whether a request has a body. Where its size is not told (-1 says so too), the method decides.
fn announces_body(method: &str, size: Option<f64>, headers: &[Header]) -> bool {
    let announced = || {
        let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"))?;
        header.value.trim().parse().ok()
    };
    let by_method = || ["POST", "PUT", "PATCH"].iter().any(|known| method.eq_ignore_ascii_case(known));
    size.filter(|size| *size >= 0.0).or_else(announced).map_or_else(by_method, |size: f64| size > 0.0)
}

/// A body; `is_announced` tells whether one that is not there is lost.
fn body(content: Option<Content>, is_announced: bool) -> Body {
    let none = || if is_announced { Body::Lost(NOT_SAVED) } else { Body::Bytes(Vec::new()) };
    let Some(content) = content else { return none() };
    let Some(text) = content.text else {
        return if content.file.is_some() { Body::Lost(BESIDE) } else { none() };
    };
    if content.encoding.is_some_and(|encoding| encoding.eq_ignore_ascii_case("base64")) {
        let digits: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        return Base64::decode_vec(&digits).map_or(Body::Lost(BAD_BASE64), Body::Bytes);
    }
    if !text.starts_with("SC") {
        return Body::Bytes(text.into_bytes());
    }
    // An envelope as text: each character one byte, unless the writer decoded it as UTF-8 and so spoilt it.
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    bytes.map_or(Body::LostEnvelope(BYTES_LOST), Body::Bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read_one(entry: Value) -> Exchange {
        read(json!({"log": {"entries": [entry]}}).to_string().as_bytes()).unwrap().pop().unwrap()
    }

    fn of_request(post_data: Value) -> Body {
        let request = json!({"method": "POST", "url": "https://x/a", "bodySize": 36, "postData": post_data});
        read_one(json!({"request": request})).request.unwrap().message.body
    }

    #[test]
    fn bodies_are_read_in_every_way_that_tools_write_them() {
        let envelope = b"SC\x02\x81\xff\x00\xe9";
        let as_chars: String = envelope.iter().map(|byte| char::from(*byte)).collect();
        for post_data in [
            json!({"text": as_chars}),
            json!({"text": "U0MCgf8A6Q==", "encoding": "base64"}),
            json!({"text": "U0MCgf8A\n6Q==", "encoding": "Base64"}),
        ] {
            match of_request(post_data) {
                Body::Bytes(bytes) => assert_eq!(bytes.as_slice(), envelope),
                Body::Lost(why) | Body::LostEnvelope(why) => panic!("{why}"),
            }
        }
        assert!(
            matches!(of_request(json!({"text": "{\"a\":\"é\"}"})), Body::Bytes(bytes) if bytes.len() == 10)
        );
    }

    #[test]
    fn a_body_that_is_not_there_is_said_to_be_lost() {
        let lossy = String::from_utf8_lossy(b"SC\x02\x81\xff").into_owned();
        for (post_data, why) in [
            (json!({"text": lossy}), BYTES_LOST),
            (json!({"text": "SC\u{2}\u{20ac}"}), BYTES_LOST),
            (json!({"text": "*", "encoding": "base64"}), BAD_BASE64),
            (json!({"_file": "x.bin"}), BESIDE),
            (json!({}), NOT_SAVED),
            (Value::Null, NOT_SAVED),
        ] {
            assert!(
                matches!(of_request(post_data), Body::Lost(said) | Body::LostEnvelope(said) if said == why),
                "{why}"
            );
        }
    }

    #[test]
    fn a_body_of_unknown_size_that_is_not_there_is_lost_where_the_method_has_one() {
        let of = |method: &str, more: Value| {
            let mut request = json!({"method": method, "url": "https://x/a"});
            request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            read_one(json!({"request": request})).request.unwrap().message.body
        };
        for method in ["POST", "PUT", "PATCH", "post"] {
            for size in
                [json!({}), json!({"bodySize": -1}), json!({"bodySize": null, "postData": {"params": []}})]
            {
                assert!(matches!(of(method, size), Body::Lost(NOT_SAVED)), "{method}");
            }
            for none in
                [json!({"bodySize": 0}), json!({"headers": [{"name": "content-length", "value": "0"}]})]
            {
                assert!(matches!(of(method, none), Body::Bytes(bytes) if bytes.is_empty()), "{method}");
            }
            assert!(matches!(of(method, json!({"postData": {"text": ""}})), Body::Bytes(_)));
        }
        for method in ["GET", "HEAD", "OPTIONS", "DELETE"] {
            assert!(matches!(of(method, json!({"bodySize": -1})), Body::Bytes(bytes) if bytes.is_empty()));
        }
    }

    #[test]
    fn null_is_as_good_as_nothing() {
        assert!(read(br#"{"log":{"entries":null}}"#).unwrap().is_empty());
        let request = json!({"method": "GET", "url": "https://x/a", "headers": null, "postData": null});
        let response = json!({"status": 200, "statusText": null, "headers": [{"name": "a", "value": null}],
                              "content": {"text": null, "encoding": null, "size": null}});
        let exchange = read_one(json!({"request": request, "response": response}));
        assert_eq!(exchange.request.unwrap().url, "https://x/a");
        assert_eq!(exchange.response.unwrap().message.header("a"), Some(""));
        let exchange = read_one(json!({"request": request, "response": {"status": 200, "headers": null}}));
        assert_eq!(exchange.response.unwrap().status, 200);
    }

    #[test]
    fn answers_and_their_absence_are_read() {
        let request =
            json!({"method": "GET", "url": "https://x/a", "headers": [{"name": "A", "value": "b"}]});
        let response = json!({"status": 429, "statusText": "Too Many", "headers": [],
                              "content": {"size": 2, "text": "e30=", "encoding": "base64"}});
        let exchange = read_one(json!({"request": request, "response": response}));
        let response = exchange.response.unwrap();
        assert_eq!((response.status, response.message.bytes()), (429, &b"{}"[..]));
        assert_eq!(exchange.request.unwrap().message.header("a"), Some("b"));
        for none in [json!({"status": 0}), json!({"status": null}), json!({"status": 1e9}), Value::Null] {
            assert!(read_one(json!({"request": request, "response": none})).response.is_none());
        }
    }
}
