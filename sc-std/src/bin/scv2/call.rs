//! `scv2 forgot-password` and `scv2 call`: the client, from the command line.

use sc_core::retry::Repeatable;
use sc_std::client::{ClientError, ProfileChoice, ScClient, ScClientBuilder, SetUpWay};
use sc_std::message::{ForgotPassword, Message};
use serde_json::Value;

use crate::args::{CallArgs, ForgotPasswordArgs, ProfileArg, ServerArgs};
use crate::exit::Exit;

pub(crate) async fn forgot_password(args: ForgotPasswordArgs) -> Result<(), Exit> {
    // Sent as it is, right or wrong: what the server makes of it is the answer.
    let json = serde_json::json!({ "email": args.email }).to_string();
    let client = builder(&args.server).build().map_err(|error| Exit::usage(error.to_string()))?;
    send(&client, ForgotPassword::PATH, Some(ForgotPassword::NAME), &json, ForgotPassword::REPEATABLE).await
}

pub(crate) async fn call(args: CallArgs) -> Result<(), Exit> {
    if let Err(error) = serde_json::from_str::<Value>(&args.json) {
        return Err(Exit::usage(format!("--json is not JSON: {error}")));
    }
    let registered = (args.path == ForgotPassword::PATH).then_some(ForgotPassword::NAME);
    let name = args.message.as_deref().or(registered);
    let profile = match (args.profile, name) {
        (Some(ProfileArg::Plain), _) | (None, None) => ProfileChoice::Plain,
        (Some(ProfileArg::Bound), _) => ProfileChoice::RequireBound,
        (Some(ProfileArg::Auto), _) | (None, Some(_)) => ProfileChoice::BoundIfOffered,
    };
    let mut builder = builder(&args.server).with_profile(profile);
    for (header, value) in &args.header {
        let value = value.to_str().map_err(|_| Exit::usage("a header's value must be visible ASCII"))?;
        builder = builder.with_header(header.as_str(), value);
    }
    let client = builder.build().map_err(|error| Exit::usage(error.to_string()))?;
    // Nobody told us that this message may be sent twice.
    send(&client, &args.path, name, &args.json, Repeatable::No).await
}

fn builder(args: &ServerArgs) -> ScClientBuilder {
    let way = if args.inline { SetUpWay::Inline } else { SetUpWay::Endpoint };
    ScClient::builder(args.base_url.as_str()).with_set_up(way)
}

/// Sends one message, prints the opened answer, closes the session.
async fn send(
    client: &ScClient,
    path: &str,
    name: Option<&str>,
    json: &str,
    repeatable: Repeatable,
) -> Result<(), Exit> {
    let answered = client.call_json(path, name, json.as_bytes(), repeatable).await;
    if let Err(error) = client.close().await {
        tracing::debug!(%error, "the session could not be closed");
    }
    match answered {
        Ok(opened) => print_json(&opened),
        Err(ClientError::Message(error)) => Err(Exit::usage(error.to_string())),
        Err(error) => match error.answer() {
            Some(answer) => {
                print_json(answer.json())?;
                if !answer.is_sealed() {
                    anstream::eprintln!("scv2: a plain answer: nothing proves who wrote it");
                }
                Err(Exit::peer_error())
            }
            None => Err(Exit::unreachable(error.to_string())),
        },
    }
}

/// Prints JSON with indentation; what is not JSON is printed as it is.
fn print_json(bytes: &[u8]) -> Result<(), Exit> {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(json) => anstream::println!("{json:#}"),
        Err(_) => anstream::println!("{}", String::from_utf8_lossy(bytes)),
    }
    Ok(())
}
