//! Links the C library, which starts the program, and takes the published RSA-2048 test key out of the vectors.

use std::{env, fs, path::Path};

fn main() {
    println!("cargo:rustc-link-arg-bins=-lc");
    let vectors = "../../../vectors/keys.json";
    println!("cargo:rerun-if-changed={vectors}");
    let json = fs::read_to_string(vectors).expect("the vectors are in the repository");
    let hex = json.split("\"pkcs8_der\": \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a key");
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    let der: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("key.der"), der).expect("the folder is there");
}
