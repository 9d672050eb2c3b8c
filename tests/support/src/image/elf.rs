//! Static programs that write one line and exit, assembled by hand: no compiler for any target is needed.

/// The smallest address space page that all targets agree on; arm64 kernels may use 64 KiB.
const PAGE: u32 = 0x1_0000;

/// A static executable for `architecture` (Go's name) that writes `message` to standard output and exits 0.
pub(super) fn hello(architecture: &str, message: &str) -> Vec<u8> {
    let length = u8::try_from(message.len()).expect("a message of one byte's length");
    match architecture {
        "amd64" => elf64(0x3e, &amd64(length), message),
        "arm64" => elf64(0xb7, &arm64(length), message),
        "arm" => elf32(0x28, &arm(length), message),
        other => panic!("no hello program for {other}"),
    }
}

/// The message stands right behind the code in each of these three.
fn amd64(length: u8) -> Vec<u8> {
    let mut code = vec![0xb8, 1, 0, 0, 0]; // mov eax, 1 (write)
    code.extend([0xbf, 1, 0, 0, 0]); // mov edi, 1 (standard output)
    code.extend([0x48, 0x8d, 0x35, 16, 0, 0, 0]); // lea rsi, [rip + 16]
    code.extend([0xba, length, 0, 0, 0]); // mov edx, length
    code.extend([0x0f, 0x05]); // syscall
    code.extend([0xb8, 60, 0, 0, 0]); // mov eax, 60 (exit)
    code.extend([0x31, 0xff]); // xor edi, edi
    code.extend([0x0f, 0x05]); // syscall
    code
}

fn arm64(length: u8) -> Vec<u8> {
    words(&[
        0xd280_0020,                            // mov x0, #1 (standard output)
        0x1000_00e1,                            // adr x1, pc + 28
        0xd280_0002 | (u32::from(length) << 5), // mov x2, #length
        0xd280_0808,                            // mov x8, #64 (write)
        0xd400_0001,                            // svc #0
        0xd280_0000,                            // mov x0, #0
        0xd280_0ba8,                            // mov x8, #93 (exit)
        0xd400_0001,                            // svc #0
    ])
}

fn arm(length: u8) -> Vec<u8> {
    words(&[
        0xe3a0_0001,                     // mov r0, #1 (standard output)
        0xe28f_1014,                     // add r1, pc, #20 (pc is two instructions ahead)
        0xe3a0_2000 | u32::from(length), // mov r2, #length
        0xe3a0_7004,                     // mov r7, #4 (write)
        0xef00_0000,                     // svc #0
        0xe3a0_0000,                     // mov r0, #0
        0xe3a0_7001,                     // mov r7, #1 (exit)
        0xef00_0000,                     // svc #0
    ])
}

fn words(code: &[u32]) -> Vec<u8> {
    code.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A 64-bit little-endian executable: one header, one segment that is the whole file.
fn elf64(machine: u16, code: &[u8], message: &str) -> Vec<u8> {
    const HEADERS: u16 = 64 + 56;
    let base = u64::from(PAGE) * 64;
    let total = u64::from(HEADERS) + code.len() as u64 + message.len() as u64;
    let mut file = identification(2, machine);
    file.extend((base + u64::from(HEADERS)).to_le_bytes()); // entry
    file.extend(64_u64.to_le_bytes()); // program headers
    file.extend(0_u64.to_le_bytes()); // no section headers
    file.extend(0_u32.to_le_bytes()); // flags
    file.extend([64_u16, 56, 1, 0, 0, 0].into_iter().flat_map(u16::to_le_bytes));
    file.extend([1_u32, 5].into_iter().flat_map(u32::to_le_bytes)); // PT_LOAD, read and execute
    file.extend([0, base, base, total, total, u64::from(PAGE)].into_iter().flat_map(u64::to_le_bytes));
    file.extend(code);
    file.extend(message.as_bytes());
    file
}

/// The same in 32 bits.
fn elf32(machine: u16, code: &[u8], message: &str) -> Vec<u8> {
    const HEADERS: u16 = 52 + 32;
    const EABI_VERSION_5: u32 = 0x0500_0000;
    let total = u32::from(HEADERS) + u32::try_from(code.len() + message.len()).expect("a small program");
    let mut file = identification(1, machine);
    file.extend((PAGE + u32::from(HEADERS)).to_le_bytes()); // entry
    file.extend([52_u32, 0, EABI_VERSION_5].into_iter().flat_map(u32::to_le_bytes));
    file.extend([52_u16, 32, 1, 0, 0, 0].into_iter().flat_map(u16::to_le_bytes));
    file.extend([1_u32, 0, PAGE, PAGE, total, total, 5, PAGE].into_iter().flat_map(u32::to_le_bytes));
    file.extend(code);
    file.extend(message.as_bytes());
    file
}

/// The first 24 bytes: magic, class, byte order, versions, an executable for `machine`.
fn identification(class: u8, machine: u16) -> Vec<u8> {
    let mut start = vec![0x7f, b'E', b'L', b'F', class, 1, 1, 0];
    start.extend([0; 8]);
    start.extend(2_u16.to_le_bytes());
    start.extend(machine.to_le_bytes());
    start.extend(1_u32.to_le_bytes());
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where each program takes its message from, decoded from the instruction that loads the address.
    #[test]
    fn each_program_loads_the_address_right_behind_its_code() {
        let word =
            |code: &[u8], at: usize| u32::from_le_bytes([code[at], code[at + 1], code[at + 2], code[at + 3]]);
        let code = amd64(9);
        assert_eq!(17 + word(&code, 13) as usize, code.len());
        let code = arm64(9);
        assert_eq!(4 + (word(&code, 4) as usize >> 5) % (1 << 19) * 4, code.len());
        let code = arm(9);
        assert_eq!(4 + 8 + (word(&code, 4) & 0xff) as usize, code.len());
    }
}
