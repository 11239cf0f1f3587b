//! The build script of both services: how their binaries are linked to be small.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a build script is asked by variables, and answers on its output"
)]

use std::env::{var, var_os};
use std::path::Path;
use std::process::Command;

/// The first glibc that reads packed relocations.
const RELR_SINCE: (u32, u32) = (2, 36);

/// Only where a binary is built for the machine that builds it, and nothing was said of linking: the images' builds do so themselves.
fn main() {
    println!("cargo::rerun-if-changed=../small_binaries.rs");
    let is = |name: &str, value: &str| var(name).is_ok_and(|found| found == value);
    let is_for_here = var("TARGET").ok() == var("HOST").ok();
    let is_glibc = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    if !is_for_here || !is_glibc {
        return;
    }
    // A binary that may lie anywhere in memory has tens of thousands of addresses to put right at its start. Their list is packed
    // (RELR), which makes it 0.7 MB smaller, where there is a glibc that reads it.
    if glibc().is_some_and(|version| version >= RELR_SINCE) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    // Functions that are the same to the byte, as those of many types are, are there once: 0.3 MB. Nothing of ours, nor of what we
    // use, tells functions apart by their addresses.
    if has_lld() {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    }
}

/// The glibc of this machine.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let said = String::from_utf8(said.ok()?.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Whether the compiler links with the LLD that it brings, as that of x86_64 does by itself since 1.90; the linker of binutils can't fold.
fn has_lld() -> bool {
    let flags = var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let is_own = var_os("RUSTC_LINKER").is_none() && !flags.contains("link");
    is_own
        && var("CARGO_CFG_TARGET_ARCH").is_ok_and(|found| found == "x86_64")
        && brings_lld().unwrap_or(false)
}

fn brings_lld() -> Option<bool> {
    let said = Command::new(var_os("RUSTC")?)
        .args(["--print", "sysroot"])
        .output();
    let sysroot = String::from_utf8(said.ok()?.stdout).ok()?;
    let target = Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(var("TARGET").ok()?);
    Some(target.join("bin/gcc-ld/ld.lld").exists())
}
