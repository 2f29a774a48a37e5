//! PyTorch's own account of a GPU's memory, which it prints where an allocation fails.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::{pattern, text};

/// The memory that was asked for, and what the allocator holds and does not use, in bytes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Account {
    pub wanted: f64,
    pub unused: f64,
}

static WANTED: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"Tried to allocate ([0-9.]+) ([KMGT]iB|bytes)"));
static UNUSED: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"([0-9.]+) ([KMGT]iB|bytes) is reserved by PyTorch but unallocated"));
/// The wording up to PyTorch 2.0 gives the two numbers whose difference it is.
static ALLOCATED: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"([0-9.]+) ([KMGT]iB|bytes) already allocated"));
static RESERVED: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"([0-9.]+) ([KMGT]iB|bytes) reserved in total by PyTorch"));

impl Account {
    /// The account in a line; `None` where it has none.
    pub fn read(line: &str) -> Option<Account> {
        let wanted = amount(&WANTED, line)?;
        let unused =
            amount(&UNUSED, line).or_else(|| Some(amount(&RESERVED, line)? - amount(&ALLOCATED, line)?))?;
        Some(Account { wanted, unused })
    }

    /// Whether the memory would be enough in one piece. PyTorch gives blocks that are wholly free back before it
    /// fails, so what it still holds is scattered.
    pub fn is_fragmented(&self) -> bool {
        self.unused >= self.wanted && self.unused > 0.0
    }
}

/// An amount with its unit, in bytes.
fn amount(pattern: &LazyLock<Option<Regex>>, line: &str) -> Option<f64> {
    let found = pattern.as_ref()?.captures(line.as_bytes())?;
    let number: f64 = text(found.get(1)?).parse().ok()?;
    let unit = match text(found.get(2)?) {
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        "TiB" => 1_099_511_627_776.0,
        _ => 1.0,
    };
    Some(number * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: f64 = 1_073_741_824.0;

    #[test]
    fn both_wordings_of_pytorch_are_read() {
        let new = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB of which 1.12 GiB is free. Of the allocated memory 28.14 GiB is allocated by PyTorch, and 48.31 GiB is reserved by PyTorch but unallocated. If reserved but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation.";
        let account = Account::read(new).unwrap();
        assert!((account.unused - 48.31 * GIB).abs() < 1.0 && account.is_fragmented(), "{account:?}");
        let old = "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 7.80 GiB total capacity; 6.20 GiB already allocated; 15.31 MiB free; 6.60 GiB reserved in total by PyTorch) If reserved memory is >> allocated memory try setting max_split_size_mb to avoid fragmentation.";
        let account = Account::read(old).unwrap();
        assert!((account.unused - 0.4 * GIB).abs() < 0.001 * GIB && account.is_fragmented(), "{account:?}");
    }

    #[test]
    fn a_full_gpu_is_not_fragmented_and_a_line_without_numbers_has_no_account() {
        let full = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB of which 1.12 GiB is free. Of the allocated memory 76.50 GiB is allocated by PyTorch, and 410.20 MiB is reserved by PyTorch but unallocated.";
        assert!(!Account::read(full).unwrap().is_fragmented());
        assert_eq!(Account::read("CUDA out of memory."), None);
        assert_eq!(Account::read("CUDA out of memory. Tried to allocate 2.00 GiB"), None);
    }
}
