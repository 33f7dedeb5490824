//! `scv2 open`: envelope to plaintext, under one session key.

use clap::Args;
use sc_core::channel::Opener;
use sc_core::envelope::{Envelope, MessageType, ParseOptions};
use sc_core::limits::{DEFAULT_MAX_PLAINTEXT, MAX_OVERHEAD};
use sc_core::provider::Provider;
use sc_core::secret::{RequestKey, ResponseKey};
use sc_std::provider::DefaultProvider;

use crate::args::{Direction, KeyOptions};
use crate::exit::Failure;
use crate::input;

/// Opens an envelope of the plain profile from standard input; writes nothing if it does not open
#[derive(Args)]
#[command(after_help = "Examples:
  scv2 open --key-file response.key --type 129 < answer.bin

Exit code 1 if the envelope does not open, 2 if it is malformed or of another type.")]
pub(crate) struct Options {
    #[command(flatten)]
    key: KeyOptions,
    /// 2: a request, under the request key; 129: an answer, under the response key
    #[arg(long = "type", value_name = "2|129", default_value = "2", value_parser = Direction::parse)]
    direction: Direction,
}

/// Runs the command.
pub(crate) fn run(options: Options) -> Result<(), Failure> {
    const MAX: usize = DEFAULT_MAX_PLAINTEXT + MAX_OVERHEAD + 1;
    let (key, mut envelope) = options.key.read_with_input(MAX)?;
    let parsed = Envelope::parse(&envelope, &ParseOptions::default())
        .map_err(|reason| Failure::Usage(format!("not an envelope: {reason}")))?;
    check_type(parsed.message_type(), options.direction)?;
    let opener = match options.direction {
        Direction::Request => {
            Opener::<<DefaultProvider as Provider>::Aead>::for_requests(&RequestKey::from_bytes(*key))
        }
        Direction::Response => Opener::for_responses(&ResponseKey::from_bytes(*key)),
    };
    let opener = opener.map_err(|error| Failure::Usage(format!("cannot use the key: {error}")))?;
    let plaintext = opener.open(&mut envelope).map_err(|_| {
        Failure::Refused(
            "the envelope does not open: another key, changed bytes, or the bound profile, whose session this \
             command does not know"
                .to_owned(),
        )
    })?;
    input::write_raw(plaintext)
}

fn check_type(found: MessageType, asked: Direction) -> Result<(), Failure> {
    let hint = match (found, asked) {
        (MessageType::SessionData, Direction::Request) | (MessageType::ResponseData, Direction::Response) => {
            return Ok(());
        }
        (MessageType::SessionData, Direction::Response) => "a request: --type 2 and the request key",
        (MessageType::ResponseData, Direction::Request) => "an answer: --type 129 and the response key",
        (MessageType::KeyExchange, _) => "a key exchange, which only the server's private key opens",
    };
    Err(Failure::Usage(format!("the envelope is of type {}, {hint}", found.to_byte())))
}
