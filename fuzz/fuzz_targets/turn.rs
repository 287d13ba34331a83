#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bowsprit_fuzz::turn::run(data));
