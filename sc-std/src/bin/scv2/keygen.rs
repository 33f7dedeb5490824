//! `scv2 keygen`: an RSA key for a server.

use std::path::PathBuf;

use base64ct::{Base64, Encoding};
use clap::Args;
use sc_std::keys::Pkcs8;
use sc_std::provider::AwsLcPrivateKey;

use crate::exit::{Failure, with_causes};
use crate::input;

/// Makes an RSA key for a server: PKCS#8 PEM, readable by its owner only
#[derive(Args)]
#[command(after_help = "Prints the key id and the public key as Base64 of its SPKI. Never overwrites a file.

Example:
  scv2 keygen --out key.pem && scv2 serve --key key.pem")]
pub(crate) struct Options {
    /// Size of the modulus
    #[arg(long, value_name = "2048|3072|4096", default_value = "2048", value_parser = bits)]
    bits: usize,
    /// The file to make
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

fn bits(text: &str) -> Result<usize, String> {
    match text {
        "2048" => Ok(2048),
        "3072" => Ok(3072),
        "4096" => Ok(4096),
        _ => Err("2048, 3072 or 4096".to_owned()),
    }
}

/// Runs the command.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::Usage(format!("{}: {}", options.out.display(), with_causes(error)))
    };
    let key = AwsLcPrivateKey::generate(options.bits).map_err(|error| failed(&error))?;
    let key = key.to_pkcs8().map_err(|error| failed(&error))?;
    let key = Pkcs8::from_der(&key).map_err(|error| failed(&error))?;
    key.write_new(&options.out).map_err(|error| failed(&error))?;
    let spki = Base64::encode_string(key.spki_der());
    let text = format!("keyId {}\npublicKey {spki}\n", key.key_id());
    input::write_raw(text.as_bytes())
}
