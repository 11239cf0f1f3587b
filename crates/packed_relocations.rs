//! The build script of both services: how their binaries are linked.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a build script is asked by variables, and answers on its output"
)]

use std::env::var;
use std::process::Command;

/// The first glibc that reads packed relocations.
const RELR_SINCE: (u32, u32) = (2, 36);

/// A binary that may lie anywhere in memory has tens of thousands of addresses to put right at its start. Their list is packed
/// (RELR), which makes it 0.7 MB smaller, where the machine that builds has a glibc that reads it. The images' builds say so themselves.
fn main() {
    println!("cargo::rerun-if-changed=../packed_relocations.rs");
    let is = |name: &str, value: &str| var(name).is_ok_and(|found| found == value);
    let is_for_here = var("TARGET").ok() == var("HOST").ok();
    let is_glibc = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    if is_for_here && is_glibc && glibc().is_some_and(|version| version >= RELR_SINCE) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The glibc of this machine.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let said = String::from_utf8(said.ok()?.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
