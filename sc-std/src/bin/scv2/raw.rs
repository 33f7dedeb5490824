//! `scv2 seal` and `scv2 open`: one envelope under a key that is at hand, in the plain profile.

use std::io::{BufRead, Write};

use sc_core::channel::{IvMode, Opener, Sealer};
use sc_core::envelope::MessageType;
use sc_core::error::Error;
use sc_core::limits::{KEY_LEN, OVERHEAD};
use sc_core::secret::{RequestKey, ResponseKey};
use sc_std::provider::DefaultAead;
use sc_std::rng::SystemSeeded;
use zeroize::{Zeroize, Zeroizing};

use crate::args::{KeyArgs, OpenArgs, SealArgs};
use crate::exit::Exit;
use crate::inspect::read_all;

pub(crate) fn seal(args: &SealArgs) -> Result<(), Exit> {
    let kind = direction(args.kind)?;
    let mut input = std::io::stdin().lock();
    let key = key(&args.key, &mut input)?;
    let plaintext = Zeroizing::new(read(input)?);
    let sealer = match kind {
        MessageType::ResponseData => Sealer::<DefaultAead>::for_responses(&ResponseKey::from_bytes(*key)),
        _ => Sealer::for_requests(&RequestKey::from_bytes(*key), IvMode::Random, &mut SystemSeeded),
    };
    let sealer = sealer.map_err(failed)?;
    let mut out = vec![0; plaintext.len().saturating_add(OVERHEAD)];
    match &args.iv {
        Some(iv) => {
            let iv = hex_array(iv).ok_or_else(|| Exit::usage("--iv takes 24 hex digits"))?;
            anstream::eprintln!("scv2: a fixed IV is for test vectors; two messages under one give the key away");
            sealer.seal_with_iv(iv, &plaintext, &mut out).map_err(failed)?;
        }
        None => {
            sealer.seal_into(&mut SystemSeeded, &plaintext, &mut out).map_err(failed)?;
        }
    }
    write(&out)
}

pub(crate) fn open(args: &OpenArgs) -> Result<(), Exit> {
    let kind = direction(args.kind)?;
    let mut input = std::io::stdin().lock();
    let key = key(&args.key, &mut input)?;
    let mut body = read(input)?;
    let opener = match kind {
        MessageType::ResponseData => Opener::<DefaultAead>::for_responses(&ResponseKey::from_bytes(*key)),
        _ => Opener::for_requests(&RequestKey::from_bytes(*key)),
    };
    let written = match opener.map_err(failed)?.open(&mut body) {
        Ok(plaintext) => write(plaintext),
        Err(Error::Malformed(reason)) => Err(Exit::usage(format!("not an envelope: {reason}"))),
        Err(_) => Err(Exit::refused(format!("the envelope does not open as type {} under this key", args.kind))),
    };
    body.zeroize();
    written
}

fn direction(kind: u8) -> Result<MessageType, Exit> {
    match MessageType::from_byte(kind) {
        Some(kind @ (MessageType::SessionData | MessageType::ResponseData)) => Ok(kind),
        Some(MessageType::KeyExchange) => {
            Err(Exit::usage("a type 1 envelope wraps its keys under RSA: use forgot-password or call with --inline"))
        }
        None => Err(Exit::usage("--type takes 2 or 129")),
    }
}

/// The key, from the command line, a file, or the first line of standard input.
fn key(args: &KeyArgs, input: &mut impl BufRead) -> Result<Zeroizing<[u8; KEY_LEN]>, Exit> {
    let mut text = Zeroizing::new(String::new());
    match (&args.key, &args.key_file) {
        (Some(hex), _) => {
            anstream::eprintln!("scv2: --key shows the key to everybody who lists processes; prefer --key-file");
            text.push_str(hex);
        }
        (None, Some(path)) if path.as_os_str() == "-" => {
            input.read_line(&mut text).map_err(|error| Exit::usage(format!("standard input: {error}")))?;
        }
        (None, Some(path)) => {
            *text = std::fs::read_to_string(path)
                .map_err(|error| Exit::usage(format!("{}: {error}", path.display())))?;
        }
        (None, None) => return Err(Exit::usage("--key or --key-file is needed")),
    }
    hex_array(text.trim()).map(Zeroizing::new).ok_or_else(|| Exit::usage("a key is 64 hex digits"))
}

/// Exactly `N` bytes in hex.
fn hex_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut out = [0; N];
    base16ct::mixed::decode(text, &mut out).ok().filter(|decoded| decoded.len() == N)?;
    Some(out)
}

fn read(input: impl std::io::Read) -> Result<Vec<u8>, Exit> {
    read_all(input).map_err(|error| Exit::usage(format!("standard input: {error}")))
}

fn write(bytes: &[u8]) -> Result<(), Exit> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|error| Exit::usage(format!("standard output: {error}")))
}

fn failed(error: Error) -> Exit {
    Exit::usage(error.to_string())
}
