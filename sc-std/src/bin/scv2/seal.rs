//! `scv2 seal`: plaintext to envelope, under one session key.

use clap::Args;
use sc_core::channel::{IvMode, Sealer};
use sc_core::limits::{DEFAULT_MAX_PLAINTEXT, OVERHEAD};
use sc_core::provider::Provider;
use sc_core::secret::{RequestKey, ResponseKey};
use sc_std::provider::DefaultProvider;
use sc_std::rng::SystemSeeded;

use crate::args::{Direction, KeyOptions};
use crate::exit::Failure;
use crate::{hex, input};

/// Seals standard input into an envelope on standard output, in the plain profile
#[derive(Args)]
#[command(after_help = "Examples:
  scv2 seal --key-file request.key < message.json > request.bin
  (cat request.key; cat message.json) | scv2 seal --key-file - > request.bin")]
pub(crate) struct Options {
    #[command(flatten)]
    key: KeyOptions,
    /// 2: a request, under the request key; 129: an answer, under the response key
    #[arg(long = "type", value_name = "2|129", default_value = "2", value_parser = Direction::parse)]
    direction: Direction,
    /// Seals with this IV (24 hex digits). For test vectors only: a repeated IV gives the key's protection away
    #[arg(long, value_name = "HEX")]
    iv: Option<String>,
}

/// Runs the command.
pub(crate) fn run(options: Options) -> Result<(), Failure> {
    let iv = options.iv.as_deref().map(|text| {
        hex::decode::<12>(text)
            .ok_or_else(|| Failure::Usage("the IV must be 12 bytes: 24 hex digits".to_owned()))
    });
    let iv = iv.transpose()?;
    let (key, plaintext) = options.key.read_with_input(DEFAULT_MAX_PLAINTEXT)?;
    let mut rng = SystemSeeded;
    let sealer = match options.direction {
        Direction::Request => Sealer::<<DefaultProvider as Provider>::Aead>::for_requests(
            &RequestKey::from_bytes(*key),
            IvMode::Random,
            &mut rng,
        ),
        Direction::Response => Sealer::for_responses(&ResponseKey::from_bytes(*key)),
    };
    let mut envelope = vec![0; plaintext.len().saturating_add(OVERHEAD)];
    let sealed = sealer.and_then(|sealer| match iv {
        Some(iv) => {
            anstream::eprintln!(
                "warning: --iv is for test vectors; never seal two messages with one key and IV"
            );
            sealer.seal_with_iv(iv, &plaintext, &mut envelope)
        }
        None => sealer.seal_into(&mut rng, &plaintext, &mut envelope).map(drop),
    });
    sealed.map_err(|error| Failure::Usage(format!("cannot seal: {error}")))?;
    input::write_raw(&envelope)
}
