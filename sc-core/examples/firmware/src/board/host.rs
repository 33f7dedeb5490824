//! A host as a board: standard input and output are the link, for example to a TCP connection that `socat` makes.

use core::ffi::{c_char, c_int, c_long, c_void};

use sc_core::id::Ticks;

use super::Board;

// SAFETY: these functions of the C library have no preconditions; their types are those of C.
unsafe extern "C" {
    safe fn abort() -> !;
    safe fn fflush(stream: Option<&mut c_void>) -> c_int;
    safe fn getchar() -> c_int;
    safe fn putchar(byte: c_int) -> c_int;
    safe fn time(out: Option<&mut c_long>) -> c_long;
}

struct Host;

impl Board for Host {
    fn send(&mut self, byte: u8) {
        putchar(c_int::from(byte));
    }

    fn flush(&mut self) {
        fflush(None);
    }

    fn receive(&mut self) -> Option<u8> {
        u8::try_from(getchar()).ok()
    }

    fn noise(&mut self) -> u32 {
        // Without noise there are no keys.
        getrandom::u32().unwrap_or_else(|_| abort())
    }

    fn now(&self) -> Ticks {
        Ticks(u64::try_from(time(None)).unwrap_or_default() * 1000)
    }
}

/// Where the C library begins. Unsafe, as every symbol is that a linker sees by its name.
#[unsafe(no_mangle)]
pub extern "C" fn main(_: c_int, _: *const *const c_char) -> c_int {
    c_int::from(crate::run(&mut Host))
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    abort()
}

// The core library that comes with the compiler has unwind tables, which name this symbol; with panic = "abort" nobody
// calls it.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
