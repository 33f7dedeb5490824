//! The `scv2` program: a server, a client, and tools for envelopes.
#![forbid(unsafe_code)]

mod args;
mod call;
mod demo;
mod exit;
mod hex_view;
mod inspect;
mod keygen;
mod raw;
mod serve;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use exit::Exit;

fn main() -> ExitCode {
    match run(Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => exit.report(),
    }
}

fn run(command: Command) -> Result<(), Exit> {
    match command {
        Command::Demo => block_on(demo::run())?,
        Command::Keygen(args) => keygen::run(&args),
        Command::Serve(args) => block_on(serve::run(*args))?,
        Command::ForgotPassword(args) => block_on(call::forgot_password(args))?,
        Command::Call(args) => block_on(call::call(args))?,
        Command::Inspect(args) => inspect::run(&args),
        Command::Seal(args) => raw::seal(&args),
        Command::Open(args) => raw::open(&args),
    }
}

/// Runs a command that needs the network.
fn block_on<T>(command: impl Future<Output = T>) -> Result<T, Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Exit::usage(format!("cannot start the runtime: {error}")))?;
    Ok(runtime.block_on(command))
}
