//! A session request reads the same from bytes and from text, and the server machine takes it or refuses it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sc_core::document::SessionRequest;
use sc_core::server::Server;

fuzz_target!(|json: &[u8]| {
    let read = serde_json::from_slice::<SessionRequest>(json);
    if let Ok(text) = std::str::from_utf8(json) {
        assert_eq!(serde_json::from_str::<SessionRequest>(text).is_ok(), read.is_ok());
    }
    let Ok(request) = read else { return };
    match Server::default().set_up(&request).and_then(|setup| setup.wrapped(2048)) {
        Ok(wrapped) => assert_eq!((wrapped.request().len(), wrapped.response().len()), (256, 256)),
        Err(refusal) => assert!(!refusal.code().as_str().is_empty()),
    }
});
