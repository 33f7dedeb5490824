//! Core dumps of a server hold the keys of its live sessions and its RSA keys: there are none unless somebody asks.

use crate::exit::{Failure, with_causes};

/// Forbids core dumps of this process. On Linux other processes of the same user, debuggers among them, may not read its
/// memory from now on either; root may.
///
/// The limit alone does not hold where the kernel hands dumps to a program, as `systemd-coredump` (core(5)).
#[cfg(unix)]
pub(super) fn forbid() -> Result<(), Failure> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let forbidden = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    let forbidden = forbidden.and_then(|()| {
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    });
    forbidden
        .map_err(|error| Failure::Usage(format!("core dumps cannot be forbidden: {}", with_causes(&error))))
}

/// Windows writes none unless the machine is told to.
#[cfg(not(unix))]
pub(super) fn forbid() -> Result<(), Failure> {
    Ok(())
}
