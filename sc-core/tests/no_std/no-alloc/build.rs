//! Links the C library, which starts the program; std would do that otherwise.

fn main() {
    println!("cargo:rustc-link-arg-bins=-lc");
}
