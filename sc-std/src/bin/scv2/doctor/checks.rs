//! What one honest look at the server shows: its key, sealed answers, sessions that end.

use sc_core::limits::MIN_RSA_BITS;
use sc_std::names::CLOSE_PATH;
use serde_json::Value;

use super::look::is_sealed;
use super::peer::Peer;
use super::scene::{HARMLESS, SETUP_LIMIT, Target, document};
use super::wire::{Shot, Wire, check_limits, code};
use crate::exit::Failure;

/// One promise, and what came of it.
pub(super) struct Check {
    pub(super) name: &'static str,
    /// The threat of PROTOCOL 9 that it tries.
    pub(super) threat: &'static str,
    /// Why it does not hold.
    pub(super) broken: Option<String>,
    /// What is worth knowing although it holds.
    pub(super) note: Option<&'static str>,
}

impl Check {
    fn new(name: &'static str, threat: &'static str, broken: Option<String>) -> Self {
        Self { name, threat, broken, note: None }
    }
}

/// Whether a server takes type 1 envelopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstMessages {
    Taken,
    Refused,
}

/// Checks all that needs no sample.
pub(super) async fn run(wire: &Wire, target: &Target) -> Result<(Vec<Check>, FirstMessages), Failure> {
    let mut checks = vec![
        Check::new(
            "the public key says of itself what is true",
            "swapping the RSA public key",
            about_key(target),
        ),
        Check::new(
            "the public key stays the same",
            "swapping the RSA public key",
            stable(wire, target).await?,
        ),
    ];
    let peer = target.session(wire).await?;
    let answer = target.message(wire, &peer.session, peer.seal(HARMLESS)).await?;
    let broken = match (is_sealed(answer.body()), peer.open(answer.body())) {
        (true, Some(_)) => None,
        (true, None) => Some("the answer does not open under the response key".to_owned()),
        (false, _) => Some("the answer is plain".to_owned()),
    };
    checks.push(Check::new("a sealed request gets a sealed answer", "downgrade to plaintext", broken));
    let (check, first_messages) = first_message(wire, target).await?;
    checks.push(check);
    let mut broken = None;
    for time in ["first", "second"] {
        let (answer, _) = wire.send(Shot::new(CLOSE_PATH, Vec::new()).within(&peer.session)).await?;
        if document(&answer).is_none() {
            broken = Some(format!("the {time} close is answered with HTTP {}", answer.status().as_u16()));
        }
    }
    checks.push(Check::new(
        "closing is a success, also the second time",
        "closed sessions stay closed",
        broken,
    ));
    Ok((checks, first_messages))
}

/// Compares the public-key document with the key in it.
fn about_key(target: &Target) -> Option<String> {
    let member = |name: &str| target.document.get(name);
    let bits = target.forge.bits();
    let said = member("keySize").and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
    if said != Some(bits) {
        return Some(format!("keySize does not say {bits}"));
    }
    if member("algorithm").and_then(Value::as_str) != Some(format!("RSA-OAEP-{bits}").as_str()) {
        return Some(format!("algorithm does not say RSA-OAEP-{bits}"));
    }
    if bits < MIN_RSA_BITS {
        return Some(format!("{bits} bits are too few"));
    }
    match member("expiresAt") {
        Some(Value::Null) => None,
        Some(Value::String(at)) => match at.parse::<jiff::Timestamp>() {
            Ok(at) if at > jiff::Timestamp::now() => None,
            Ok(_) => Some(format!("it expired at {at}")),
            Err(_) => Some("expiresAt is no ISO 8601 time".to_owned()),
        },
        _ => Some("expiresAt is missing".to_owned()),
    }
}

/// Asks for the key again.
async fn stable(wire: &Wire, target: &Target) -> Result<Option<String>, Failure> {
    let again = document(&wire.public_key().await?);
    let same = |name: &str| again.as_ref().and_then(|data| data.get(name)) == target.document.get(name);
    if same("keyId") && same("publicKey") {
        return Ok(None);
    }
    Ok(Some(
        "two answers in a row name different keys (a rotation in this very moment would be chance)"
            .to_owned(),
    ))
}

/// Sets a session up together with a message.
async fn first_message(wire: &Wire, target: &Target) -> Result<(Check, FirstMessages), Failure> {
    let mut taken = FirstMessages::Taken;
    let peer = Peer::new(&target.forge);
    let (answer, _) = wire.send(Shot::new(&target.path, peer.first(&target.key_id, HARMLESS))).await?;
    check_limits(&answer, SETUP_LIMIT)?;
    let mut check =
        Check::new("a first message (type 1) gets a sealed answer", "downgrade to plaintext", None);
    match (is_sealed(answer.body()), peer.open(answer.body())) {
        (true, Some(_)) => {}
        (true, None) => check.broken = Some("the answer does not open under the response key".to_owned()),
        (false, _)
            if code(answer.body()).as_deref() == Some(sc_core::code::Code::InvalidPayload.as_str()) =>
        {
            taken = FirstMessages::Refused;
            check.note = Some(
                "the server takes no first messages: all of them are refused before their keys are looked at",
            );
        }
        (false, _) => check.broken = Some("the answer is plain".to_owned()),
    }
    Ok((check, taken))
}
