//! Just enough of an assembler for the two contracts that are written by hand here.

use std::collections::BTreeMap;

use alloy::primitives::Bytes;

/// An instruction.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Push(u64),
    PushBytes(Vec<u8>),
    /// Pushes the place of a label.
    PushLabel(u8),
    /// A place to jump to.
    Label(u8),
    JumpIf,
    Stop,
    Sub,
    Eq,
    Byte,
    Keccak256,
    Caller,
    CallDataLoad,
    CallDataSize,
    CallDataCopy,
    CodeCopy,
    MStore,
    SStore,
    Dup1,
    Log(u8),
    Return,
    Revert,
}

impl Op {
    fn write(&self, code: &mut Vec<u8>, labels: &BTreeMap<u8, u16>) {
        let byte = match self {
            Self::Push(value) => {
                let bytes = value.to_be_bytes();
                let zeros = (value.leading_zeros() / 8).min(7) as usize;
                return push(code, &bytes[zeros..]);
            }
            Self::PushBytes(bytes) => return push(code, bytes),
            // Two bytes always, so that a label's place does not depend on the labels before it.
            Self::PushLabel(label) => {
                return push(code, &labels.get(label).copied().unwrap_or(0).to_be_bytes());
            }
            Self::Label(_) => 0x5b,
            Self::JumpIf => 0x57,
            Self::Stop => 0x00,
            Self::Sub => 0x03,
            Self::Eq => 0x14,
            Self::Byte => 0x1a,
            Self::Keccak256 => 0x20,
            Self::Caller => 0x33,
            Self::CallDataLoad => 0x35,
            Self::CallDataSize => 0x36,
            Self::CallDataCopy => 0x37,
            Self::CodeCopy => 0x39,
            Self::MStore => 0x52,
            Self::SStore => 0x55,
            Self::Dup1 => 0x80,
            Self::Log(topics) => 0xa0 + topics,
            Self::Return => 0xf3,
            Self::Revert => 0xfd,
        };
        code.push(byte);
    }
}

fn push(code: &mut Vec<u8>, bytes: &[u8]) {
    let length = u8::try_from(bytes.len()).expect("at most a word is pushed");
    assert!((1..=32).contains(&length), "a push has 1 to 32 bytes");
    code.push(0x5f + length);
    code.extend_from_slice(bytes);
}

/// The code of the instructions.
pub(crate) fn assemble(ops: &[Op]) -> Vec<u8> {
    let mut labels = BTreeMap::new();
    let mut code = Vec::new();
    // The first pass finds the labels, the second writes them.
    for _ in 0..2 {
        code.clear();
        for op in ops {
            if let Op::Label(label) = op {
                labels.insert(*label, u16::try_from(code.len()).expect("the code is short"));
            }
            op.write(&mut code, &labels);
        }
    }
    code
}

/// Creation code: runs `constructor`, then leaves `runtime` on the chain.
pub(crate) fn creation_code(constructor: &[Op], runtime: &[u8]) -> Bytes {
    let length = runtime.len() as u64;
    let with_start = |start: u64| {
        let mut ops = constructor.to_vec();
        // Fixed widths, because the code's length is itself one of the numbers.
        ops.extend([word(length), Op::Dup1, word(start), Op::Push(0), Op::CodeCopy]);
        ops.extend([Op::Push(0), Op::Return]);
        assemble(&ops)
    };
    let start = with_start(0).len() as u64;
    let mut code = with_start(start);
    code.extend_from_slice(runtime);
    code.into()
}

fn word(number: u64) -> Op {
    Op::PushBytes(number.to_be_bytes()[4..].to_vec())
}
