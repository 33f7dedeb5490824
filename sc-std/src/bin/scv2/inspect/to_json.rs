//! A recorded conversation as JSON, for machines.

use sc_core::envelope::MessageType;
use serde_json::{Value, json};

use super::content::Content;
use super::exchange::{Exchange, Message};
use super::keys::{Clues, Keys, Opened};
use super::show::{Tally, clues, concerns_the_channel, is_shown, shown_value};
use crate::hex_view::View;

/// One exchange. Of one that does not concern the channel the bodies are neither counted nor told: they may hold secrets.
pub(super) fn exchange(exchange: &Exchange, keys: Option<&Keys>, tally: &mut Tally) -> Value {
    let [request_clues, response_clues] = clues(exchange);
    let of_the_channel = concerns_the_channel(exchange);
    let mut body = |message: &Message, direction: MessageType, clues| {
        if of_the_channel {
            body(message, direction, keys.map(|keys| (keys, clues)), tally)
        } else {
            outline(message, direction)
        }
    };
    let request = exchange.request.as_ref().map(|request| {
        json!({
            "method": request.method,
            "url": request.url,
            "headers": headers(&request.message),
            "body": body(&request.message, MessageType::SessionData, request_clues),
        })
    });
    let response = exchange.response.as_ref().map(|response| {
        json!({
            "status": response.status,
            "headers": headers(&response.message),
            "body": body(&response.message, MessageType::ResponseData, response_clues),
        })
    });
    json!({ "ofTheChannel": of_the_channel, "request": request, "response": response })
}

/// Headers in the order of the recording: a name may come twice.
fn headers(message: &Message) -> Vec<Value> {
    let shown = message.headers.iter().filter(|(name, _)| is_shown(name));
    shown.map(|(name, value)| json!({ "name": name, "value": shown_value(name, value) })).collect()
}

fn body(
    message: &Message,
    direction: MessageType,
    keys: Option<(&Keys, Clues<'_>)>,
    tally: &mut Tally,
) -> Value {
    let content = Content::of(message, direction);
    tally.count(&content, keys.is_some());
    match content {
        Content::Empty => Value::Null,
        Content::Lost(why) => json!({ "kind": "lost", "why": why }),
        Content::Malformed(reason) => json!({ "kind": "malformed", "why": reason.to_string() }),
        // As text: nothing of it is lost, not the order of its members either.
        Content::Json(text) => json!({ "kind": "json", "json": text }),
        Content::Other { len, kind } => json!({ "kind": "other", "length": len, "type": kind }),
        Content::Envelope { bytes, is_text } => {
            let mut envelope = View::of(&bytes).map(|view| view.to_json()).unwrap_or_default();
            if let Some((keys, clues)) = keys {
                let opened = keys.open(&bytes, &clues);
                tally.opened(opened.is_ok());
                add_opened(&mut envelope, opened.as_ref());
            }
            json!({ "kind": if is_text { "textEnvelope" } else { "envelope" }, "envelope": envelope })
        }
    }
}

/// Of a body no more than its length and type.
fn outline(message: &Message, direction: MessageType) -> Value {
    match Content::of(message, direction) {
        Content::Empty => Value::Null,
        Content::Lost(why) => json!({ "kind": "lost", "why": why }),
        _ => json!({ "kind": "other", "length": message.bytes().len(), "type": message.kind() }),
    }
}

/// Adds to the fields of an envelope what it held, or why nobody can say.
pub(super) fn add_opened(envelope: &mut Value, opened: Result<&Opened<'_>, &&'static str>) {
    let Some(members) = envelope.as_object_mut() else { return };
    members.insert("opened".to_owned(), opened.map_or(Value::Null, Opened::to_json));
    if let Err(why) = opened {
        members.insert("whyNot".to_owned(), Value::from(*why));
    }
}
