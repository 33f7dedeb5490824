//! A session request that is read can be written, and reads the same; no error repeats what was sent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sc_core::document::SessionRequest;
use sc_core::server::Server;

fuzz_target!(|json: &[u8]| {
    match serde_json::from_slice::<SessionRequest>(json) {
        Ok(request) => {
            let _ = Server::default().set_up(&request).and_then(|setup| setup.wrapped(2048).map(drop));
        }
        Err(error) => assert!(error.to_string().len() < 200),
    }
});
