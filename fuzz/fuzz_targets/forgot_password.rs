//! A forgot-password body is one address or one short error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sc_std::message::ForgotPassword;

fuzz_target!(|body: &[u8]| match ForgotPassword::parse(body) {
    Ok(request) => assert!(request.email.as_str().chars().count() <= 255),
    Err(error) => assert!(error.property().len() < 100),
});
