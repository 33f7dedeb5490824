//! The LM3S6965 microcontroller (Cortex-M3, 256 KiB flash, 64 KiB RAM) as QEMU plays it.
//!
//! UART0 is the link. The chip has no noise source, so UART1 is wired to one. UART2 is the console, to which the program
//! reports what flash and stack it used.

use core::cell::Cell;
use core::fmt::{self, Write};

use cortex_m::interrupt::{Mutex, free};
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{entry, exception};
use cortex_m_semihosting::debug::{EXIT_FAILURE, EXIT_SUCCESS, exit};
use sc_core::id::Ticks;

use super::Board;

/// Ticks of the 12.5 MHz system clock in a millisecond.
const TICKS_PER_MS: u32 = 12_500;
/// How long a byte from the link may take, in milliseconds.
const PATIENCE_MS: u64 = 10_000;

/// Milliseconds since the start. 64 bits, since 32 go back to 0 after 49 days, and a session that is over would be fresh.
static MILLISECONDS: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));

#[exception]
fn SysTick() {
    free(|token| {
        let milliseconds = MILLISECONDS.borrow(token);
        milliseconds.set(milliseconds.get().wrapping_add(1));
    });
}

fn milliseconds() -> u64 {
    free(|token| MILLISECONDS.borrow(token).get())
}

/// A UART of the PL011 kind.
struct Uart(*mut u32);

impl Uart {
    const DATA: usize = 0x00 / 4;
    const FLAGS: usize = 0x18 / 4;
    const RECEIVER_EMPTY: u32 = 1 << 4;
    const SENDER_FULL: u32 = 1 << 5;

    /// UART 0, 1 or 2.
    fn new(number: usize) -> Self {
        Self((0x4000_c000 + (number % 3) * 0x1000) as *mut u32)
    }

    fn read(&self, register: usize) -> u32 {
        // SAFETY: `new` makes only the addresses of the three UARTs, whose registers are there for ever; both are inside.
        unsafe { self.0.add(register).read_volatile() }
    }

    fn send(&mut self, byte: u8) {
        while self.read(Self::FLAGS) & Self::SENDER_FULL != 0 {}
        // SAFETY: as in `read`.
        unsafe { self.0.add(Self::DATA).write_volatile(u32::from(byte)) }
    }

    fn try_receive(&mut self) -> Option<u8> {
        let empty = self.read(Self::FLAGS) & Self::RECEIVER_EMPTY != 0;
        (!empty).then(|| self.read(Self::DATA).to_le_bytes()[0])
    }
}

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.send(byte));
        Ok(())
    }
}

struct Lm3s6965 {
    link: Uart,
    noise: Uart,
}

impl Board for Lm3s6965 {
    fn send(&mut self, byte: u8) {
        self.link.send(byte);
    }

    fn receive(&mut self) -> Option<u8> {
        let asked_at = milliseconds();
        while milliseconds().wrapping_sub(asked_at) < PATIENCE_MS {
            if let Some(byte) = self.link.try_receive() {
                return Some(byte);
            }
        }
        None
    }

    /// Waits for noise, for ever if there is none: a device without noise must not make keys.
    fn noise(&mut self) -> u32 {
        let mut byte = || loop {
            if let Some(byte) = self.noise.try_receive() {
                return byte;
            }
        };
        u32::from_le_bytes([byte(), byte(), byte(), byte()])
    }

    fn now(&self) -> Ticks {
        Ticks(milliseconds())
    }
}

#[entry]
fn start() -> ! {
    let mut console = Uart::new(2);
    if let Some(mut core) = cortex_m::Peripherals::take() {
        core.SYST.set_clock_source(SystClkSource::Core);
        core.SYST.set_reload(TICKS_PER_MS - 1);
        core.SYST.enable_counter();
        core.SYST.enable_interrupt();
    }
    let mut board = Lm3s6965 { link: Uart::new(0), noise: Uart::new(1) };
    let code = crate::run(&mut board);
    let _ = writeln!(console, "exit {code}, flash {} bytes, stack {} bytes", flash_used(), stack_used());
    exit(if code == 0 { EXIT_SUCCESS } else { EXIT_FAILURE });
    loop {}
}

unsafe extern "C" {
    static __sidata: u32;
    static __sdata: u32;
    static __edata: u32;
    static _stack_start: u32;
    static _stack_end: u32;
}

/// Code, constants and the first values of variables, in bytes.
fn flash_used() -> usize {
    let (data, start, end) = (&raw const __sidata, &raw const __sdata, &raw const __edata);
    data.addr() + (end.addr() - start.addr())
}

/// How much of the stack was ever written to, in bytes: the start-up code had painted it.
fn stack_used() -> usize {
    let (start, end) = (&raw const _stack_start, &raw const _stack_end);
    let mut word = end;
    // SAFETY: all of this is RAM behind the program's variables.
    while word < start && unsafe { word.read_volatile() } == cortex_m_rt::STACK_PAINT_VALUE {
        word = word.wrapping_add(1);
    }
    start.addr() - word.addr()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    let _ = Uart::new(2).write_str("panic\n");
    exit(EXIT_FAILURE);
    loop {}
}
