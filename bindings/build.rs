//! Linker flags of the library.
//!
//! It stays mapped: destructors of thread-locals that live in it may run after its last user. Its
//! pages fit systems with pages of 16 KiB, which Android has.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if ["linux", "android"].contains(&system.as_str()) {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libmillpond_ffi.so");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,max-page-size=16384");
    }
}
