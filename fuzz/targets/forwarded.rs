#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    onetag::fuzzing::run("forwarded", data);
});
