//! An RSA key that never enters the server's process: a fake device in a process of its own, asked over a pipe.
//!
//! Run it with `cargo run -p sc-std --example kms --features client,reqwest`. In a package of your own it needs
//! `sc-std` with these features, `aws-lc-rs`, `axum`, `serde_json`, `zeroize`, and `tokio` with `full`. The program
//! starts itself a second time as the device, which holds the private key and answers over its standard input and
//! output. The server has the public key only. A client calls through; then the device is killed, and a new client
//! hears BUSY while the first one's session goes on.
//!
//! The protocol of this pipe: a request is an id (4 bytes), a length (2 bytes) and the ciphertext; an answer is the id, a
//! status byte (0: a plaintext follows, 1: it does not decrypt) and, after 0, 32 bytes. Many requests are under way at
//! once; answers come in any order.

use std::collections::HashMap;
use std::error::Error;
use std::io::{Read, Write};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use axum::routing::post;
use sc_std::client::{ClientError, ScClient};
use sc_std::clock::{Clock, SystemClock};
use sc_std::keys::{KeyRing, KeyUnavailable, RemoteKey, ServerKey, UnwrapFuture};
use sc_std::message::Repeatable;
use sc_std::sc_core::id::KeyId;
use sc_std::sc_core::secret::UnwrappedKey;
use sc_std::server::serve::{ServeOptions, serve};
use sc_std::server::{ScRouter, ScServer, Sealed};
use sc_std::store::MemoryStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;
/// Who waits for which answer.
type Waiting = Arc<Mutex<HashMap<u32, oneshot::Sender<UnwrappedKey>>>>;

const DEVICE: &str = "--be-the-device";

fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some(DEVICE) {
        return be_the_device();
    }
    tokio::runtime::Runtime::new()?.block_on(run())
}

async fn run() -> Result<()> {
    let (device, mut process) = Device::start().await?;
    println!(
        "device {}: holds RSA key {}",
        process.id().unwrap_or_default(),
        KeyId::of_spki(&device.spki).as_str()
    );

    let keys = KeyRing::from_keys(vec![ServerKey::remote(device)], SystemClock::new().now())?;
    let server = ScServer::builder(Arc::new(keys), MemoryStore::default())
        .with_remote_key_timeout(Duration::from_secs(2))
        .build();
    server.spawn_housekeeping(); // ends what is over
    let echo = post(|Sealed(body): Sealed<serde_json::Value>| async { Sealed(body) });
    let app = ScRouter::new(server).sealed("/echo", "echo", echo).into_router();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("server {}: {url}, has no private key", std::process::id());
    tokio::spawn(serve(listener, app, ServeOptions::default(), std::future::pending()));

    let first = client(&url)?;
    println!("first client: {}", ask(&first, "hello").await?);
    process.kill().await?;
    println!("the device is killed");
    println!("first client, in its session: {}", ask(&first, "still here").await?);
    match ask(&client(&url)?, "hello").await {
        Err(error) => {
            let wait = error.retry_after();
            println!("second client, which needs the device: {error}; retry after {wait:?}");
        }
        Ok(answer) => return Err(format!("a session without the device: {answer}").into()),
    }
    Ok(())
}

fn client(url: &str) -> Result<ScClient> {
    // One attempt, so that the example shows what a single set-up hears.
    let wait = Duration::from_millis(100);
    Ok(ScClient::builder(url)
        .with_client_hash("example-device")
        .with_set_up_attempts(1, wait, wait)
        .build()?)
}

async fn ask(client: &ScClient, text: &str) -> Result<String, ClientError> {
    let json = serde_json::json!({ "text": text }).to_string();
    let answer = client.call_json("/echo", Some("echo"), json.as_bytes(), Repeatable::No).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The server's half: knows the public key, and who waits for which answer.
struct Device {
    spki: Vec<u8>,
    bits: usize,
    next: AtomicU32,
    input: tokio::sync::Mutex<ChildStdin>,
    waiting: Waiting,
}

impl Device {
    /// Starts the device's process, reads its public key, and from then on its answers.
    async fn start() -> Result<(Self, Child)> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(DEVICE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let input = process.stdin.take().ok_or("no pipe to the device")?;
        let mut output = process.stdout.take().ok_or("no pipe from the device")?;
        let mut spki = vec![0; usize::from(output.read_u16().await?)];
        output.read_exact(&mut spki).await?;
        let bits = usize::from(output.read_u16().await?);
        let waiting = Waiting::default();
        tokio::spawn(hand_out(output, Arc::clone(&waiting)));
        let input = tokio::sync::Mutex::new(input);
        Ok((Self { spki, bits, next: AtomicU32::new(0), input, waiting }, process))
    }

    async fn send(&self, id: u32, wrapped: &[u8]) -> std::io::Result<()> {
        let length = u16::try_from(wrapped.len()).map_err(std::io::Error::other)?;
        let frame = [&id.to_be_bytes()[..], &length.to_be_bytes(), wrapped].concat();
        // One frame at a time; the answers are not waited for here.
        self.input.lock().await.write_all(&frame).await
    }
}

impl RemoteKey for Device {
    fn modulus_bits(&self) -> usize {
        self.bits
    }

    fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    fn unwrap_key<'a>(&'a self, wrapped: &'a [u8]) -> UnwrapFuture<'a> {
        Box::pin(async move {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            let (answer, answered) = oneshot::channel();
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, answer);
            // Also when the server gives the call up, nobody waits for its answer any more.
            let _forget = Forget(&self.waiting, id);
            self.send(id, wrapped)
                .await
                .map_err(|_| KeyUnavailable::new("the pipe to the device is closed"))?;
            answered.await.map_err(|_| KeyUnavailable::new("the device has gone"))
        })
    }
}

/// Takes one call off the list when it ends, whatever way.
struct Forget<'a>(&'a Waiting, u32);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// Hands each answer to who waits for it; when the device has gone, everybody hears.
async fn hand_out(mut output: ChildStdout, waiting: Waiting) {
    while let Ok((id, key)) = answer(&mut output).await {
        if let Some(who) = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id) {
            // Somebody who has left meanwhile hears nothing.
            let _ = who.send(key);
        }
    }
    waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

async fn answer(output: &mut ChildStdout) -> std::io::Result<(u32, UnwrappedKey)> {
    let id = output.read_u32().await?;
    if output.read_u8().await? != 0 {
        return Ok((id, UnwrappedKey::from_result(None)));
    }
    let mut key = Zeroizing::new([0; 32]);
    output.read_exact(key.as_mut_slice()).await?;
    Ok((id, UnwrappedKey::from_result(Some(key.as_slice()))))
}

/// The device's half, in the other process: the only place where the private key is.
fn be_the_device() -> Result<()> {
    let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).map_err(|_| "no key")?;
    let spki = key.public_key().as_der().map_err(|_| "no public key")?;
    let mut output = std::io::stdout();
    output.write_all(&u16::try_from(spki.as_ref().len())?.to_be_bytes())?;
    output.write_all(spki.as_ref())?;
    output.write_all(&2048_u16.to_be_bytes())?;
    output.flush()?;

    let key = Arc::new(OaepPrivateDecryptingKey::new(key).map_err(|_| "no OAEP key")?);
    let mut input = std::io::stdin().lock();
    let mut head = [0; 6];
    // The end of the input is the end of the server, and so of the device.
    while input.read_exact(&mut head).is_ok() {
        let [a, b, c, d, e, f] = head;
        let mut wrapped = vec![0; usize::from(u16::from_be_bytes([e, f]))];
        input.read_exact(&mut wrapped)?;
        let key = Arc::clone(&key);
        // The server bounds how many of these there are: its admission.
        std::thread::spawn(move || decrypt(&key, [a, b, c, d], &wrapped));
    }
    Ok(())
}

/// Answers one request. Whether the ciphertext decrypts is said to the server only, which keeps it to itself.
fn decrypt(key: &OaepPrivateDecryptingKey, id: [u8; 4], wrapped: &[u8]) -> std::io::Result<()> {
    let mut buffer = Zeroizing::new([0; 512]);
    let plaintext = key.decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, buffer.as_mut_slice(), None);
    let mut frame = Zeroizing::new(id.to_vec());
    match plaintext {
        Ok(plaintext) if plaintext.len() == 32 => {
            frame.push(0);
            frame.extend_from_slice(plaintext);
        }
        _ => frame.push(1),
    }
    let mut output = std::io::stdout().lock();
    output.write_all(&frame)?;
    output.flush()
}
