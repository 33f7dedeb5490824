//! `scv2 keygen`: an RSA key for a server, in a new file.

use base64ct::{Base64, Encoding};
use sc_std::keys::Pkcs8;
use sc_std::provider::AwsLcPrivateKey;

use crate::args::KeygenArgs;
use crate::exit::Exit;

pub(crate) fn run(args: &KeygenArgs) -> Result<(), Exit> {
    let key = AwsLcPrivateKey::generate(args.bits)
        .map_err(|_| Exit::usage(format!("--bits takes 2048, 3072 or 4096, not {}", args.bits)))?;
    let der = key.to_pkcs8().map_err(|error| Exit::usage(error.to_string()))?;
    let key = Pkcs8::from_der(&der).map_err(|error| Exit::usage(error.to_string()))?;
    key.write_new(&args.out).map_err(|error| Exit::usage(format!("{}: {error}", args.out.display())))?;
    anstream::println!("keyId  {}", key.key_id());
    anstream::println!("SPKI   {}", Base64::encode_string(key.spki_der()));
    Ok(())
}
