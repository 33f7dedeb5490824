//! `scv2`: Secure Channel v2 at the command line.
#![forbid(unsafe_code)]

mod args;
mod call;
mod demo;
mod doctor;
mod exit;
mod hex;
mod hex_view;
mod input;
mod inspect;
mod json_view;
#[cfg(feature = "danger-key-log")]
mod key_log;
mod keygen;
mod open;
mod revoke;
mod seal;
mod serve;
mod terminal;

use std::alloc::System;
use std::process::ExitCode;

use clap::Parser;
use zeroizing_alloc::ZeroAlloc;

use crate::args::{Cli, Command};
use crate::exit::Failure;

/// Wipes whatever is freed, by libraries too: mails while they are put together, answers on their way to be sealed, futures
/// that a key has moved through. `tests/core_dump` looks.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    // Wrong usage ends in here, with exit code 2.
    let done = match Cli::parse().command {
        Command::Demo => block_on(demo::run()),
        Command::Doctor(options) => doctor::run(*options),
        Command::Keygen(options) => keygen::run(&options),
        Command::Serve(options) => block_on(serve::run(*options)),
        Command::RevokeKey(options) => block_on(revoke::run(options)),
        Command::ForgotPassword(options) => call::forgot_password(options),
        Command::Call(options) => call::call(options),
        Command::Inspect(options) => inspect::run(options),
        Command::Seal(options) => seal::run(options),
        Command::Open(options) => open::run(options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Runs a command that serves.
fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Usage(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(command)
}
