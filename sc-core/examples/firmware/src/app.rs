//! What the device does: fetches the server's key, sets up a session, asks for a reset link twice in it, closes it.
//!
//! All memory is two buffers and the machine's own values. The `bound` profile is required; a real device also pins the
//! server's key (`ClientOptions::with_pin`).

use sc_core::client::{Client, ClientOptions, ProfileChoice, State};
use sc_core::document::{PublicKeyDocument, ReceivedAnswer, SessionAnswer};
use sc_core::id::{MessageName, UnixMillis};
use sc_core::limits::OVERHEAD;
use sc_core::session::Session;
use serde::{Deserialize, Serialize};

use crate::board::{Board, Noise};
use crate::device::Device;
use crate::http::{Request, Response, exchange};

const PUBLIC_KEY: &str = "/web/v1/secure-channel/public-key";
const SESSION: &str = "/web/v1/secure-channel/session";
const CLOSE: &str = "/web/v1/secure-channel/session/close";
const FORGOT: &str = "/web/v1/system/auth/password/forgot";

/// The longest request: that for a session, with two wrapped keys as Base64. In bytes.
const REQUEST_LEN: usize = 896;
/// The longest answer: that with the public key, and its HTTP head. In bytes.
const ANSWER_LEN: usize = 1536;
/// How long a key is used without asking for it again, in milliseconds. Short enough for any server (PROTOCOL 4.3).
const KEY_FRESH_MS: u64 = 60_000;

/// Why it did not work; the number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Failure {
    /// No byte came, or the link broke.
    LinkDown = 10,
    /// Not an answer of HTTP/1.1 that says how long it is.
    NotHttp,
    /// An answer longer than the buffer.
    AnswerTooLong,
    /// A request longer than the buffer.
    RequestTooLong,
    /// An answer that is not the protocol's.
    Answer,
    /// The server refused.
    Refused,
    /// The server's key is not taken, or the machine refused for another reason.
    Core,
    /// The answer to a message did not open.
    NotOpened,
}

/// The message.
#[derive(Serialize)]
struct ForgotPassword<'a> {
    email: &'a str,
}

/// `data` of its answer.
#[derive(Deserialize)]
struct Sent {
    success: bool,
}

struct Buffers {
    request: [u8; REQUEST_LEN],
    answer: [u8; ANSWER_LEN],
}

/// Asks twice, in one session.
pub(crate) fn ask_for_a_reset_link(board: &mut impl Board, address: &str) -> Result<(), Failure> {
    let mut buffers = Buffers { request: [0; REQUEST_LEN], answer: [0; ANSWER_LEN] };
    let options = ClientOptions::default().with_profile(ProfileChoice::RequireBound);
    let mut client = Client::<Device>::new(options);
    let mut session = None;
    let mut asked = 0;
    while asked < 2 {
        match client.state(session.as_ref(), board.now()) {
            State::NeedsKey => fetch_key(board, &mut client, &mut buffers)?,
            State::NeedsSession => session = Some(set_up(board, &client, &mut buffers)?),
            State::Ready | State::AboutToExpire => {
                ask(board, session.as_ref().ok_or(Failure::Core)?, address, &mut buffers)?;
                asked += 1;
            }
        }
    }
    close(board, session.as_ref().ok_or(Failure::Core)?, &mut buffers)
}

fn fetch_key(
    board: &mut impl Board,
    client: &mut Client<Device>,
    buffers: &mut Buffers,
) -> Result<(), Failure> {
    let now = board.now();
    let request = Request { method: "GET", path: PUBLIC_KEY, session: None, body: &[] };
    let response = exchange(board, &request, &mut buffers.answer)?;
    let answer: ReceivedAnswer<PublicKeyDocument> = plain(&response)?;
    let document = answer.data.ok_or(Failure::Answer)?;
    client.accept_key(&document, now, KEY_FRESH_MS).map_err(|_| Failure::Core)
}

fn set_up(
    board: &mut impl Board,
    client: &Client<Device>,
    buffers: &mut Buffers,
) -> Result<Session<Device>, Failure> {
    let now = board.now();
    let (request, awaiting) = client.begin(&mut Noise(board)).map_err(|_| Failure::Core)?;
    let len =
        serde_json_core::to_slice(&request, &mut buffers.request).map_err(|_| Failure::RequestTooLong)?;
    let body = buffers.request.get(..len).ok_or(Failure::RequestTooLong)?;
    let request = Request { method: "POST", path: SESSION, session: None, body };
    let response = exchange(board, &request, &mut buffers.answer)?;
    let answer: ReceivedAnswer<SessionAnswer> = plain(&response)?;
    let said_at = UnixMillis(answer.timestamp.ok_or(Failure::Answer)?);
    let session = answer.data.ok_or(Failure::Answer)?;
    awaiting.accept(&session, said_at, now).map_err(|_| Failure::Core)
}

/// One message, sealed in place, and its answer, opened in place.
fn ask(
    board: &mut impl Board,
    session: &Session<Device>,
    address: &str,
    buffers: &mut Buffers,
) -> Result<(), Failure> {
    let name = MessageName::new("password.forgot").map_err(|_| Failure::Core)?;
    // 16 bytes of head room, the plaintext, 16 bytes of tail room.
    let plaintext = buffers.request.get_mut(OVERHEAD / 2..).ok_or(Failure::RequestTooLong)?;
    let len = serde_json_core::to_slice(&ForgotPassword { email: address }, plaintext);
    let len = len.map_err(|_| Failure::RequestTooLong)? + OVERHEAD;
    let frame = buffers.request.get_mut(..len).ok_or(Failure::RequestTooLong)?;
    let now = board.now();
    let pending = session.seal_in_place(&mut Noise(board), now, name, frame).map_err(|_| Failure::Core)?;
    let id = *session.id();
    let request = Request { method: "POST", path: FORGOT, session: Some(id.as_str()), body: frame };
    let response = exchange(board, &request, &mut buffers.answer)?;
    // Whatever the status says: what does not open is no answer.
    let opened = pending.open(response.body).map_err(|_| Failure::NotOpened)?;
    let (answer, _) =
        serde_json_core::from_slice::<ReceivedAnswer<Sent>>(opened).map_err(|_| Failure::Answer)?;
    match answer.data {
        Some(Sent { success: true }) if answer.success => Ok(()),
        _ => Err(Failure::Refused),
    }
}

fn close(board: &mut impl Board, session: &Session<Device>, buffers: &mut Buffers) -> Result<(), Failure> {
    session.close();
    let id = *session.id();
    let request = Request { method: "POST", path: CLOSE, session: Some(id.as_str()), body: &[] };
    match exchange(board, &request, &mut buffers.answer)?.status {
        200 => Ok(()),
        _ => Err(Failure::Refused),
    }
}

/// Reads a plain document.
fn plain<'de, T: Deserialize<'de>>(response: &'de Response<'_>) -> Result<ReceivedAnswer<T>, Failure> {
    if response.status != 200 {
        return Err(Failure::Refused);
    }
    let (answer, _) =
        serde_json_core::from_slice::<ReceivedAnswer<T>>(response.body).map_err(|_| Failure::Answer)?;
    if answer.success { Ok(answer) } else { Err(Failure::Refused) }
}
