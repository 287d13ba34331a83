//! Converts what C passes to references, and checks it as far as possible.
//!
//! NULL, misaligned pointers, impossible lengths, sizes of structs and text that is not UTF-8 are reported. Whether a
//! pointer points at what it should cannot be checked; that is up to the caller, as in any C library.

#![allow(unsafe_code, reason = "C gives pointers")]

use std::ffi::{CStr, c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr;

use crate::error::bow_error;
use crate::error::bow_error::*;

/// Returns the bytes that C passed. NULL is allowed if there are none.
///
/// # Safety
///
/// `len` bytes are there, unless `data` is NULL, and nobody changes them as long as the result is used.
pub(crate) unsafe fn bytes<'a>(data: *const c_void, len: usize) -> Result<&'a [u8], bow_error> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(BOW_ERROR_NULL);
    }
    if len > isize::MAX as usize {
        return Err(BOW_ERROR_ARGUMENT);
    }
    // SAFETY: neither NULL nor too long; the bytes are there, as the caller promises.
    Ok(unsafe { std::slice::from_raw_parts(data.cast(), len) })
}

/// Returns the bytes that C passed, to be changed in place. NULL is allowed if there are none.
///
/// # Safety
///
/// `len` bytes are there, unless `data` is NULL, and nobody else reads or changes them as long as the result is used.
pub(crate) unsafe fn bytes_mut<'a>(data: *mut u8, len: usize) -> Result<&'a mut [u8], bow_error> {
    if len == 0 {
        return Ok(&mut []);
    }
    if data.is_null() {
        return Err(BOW_ERROR_NULL);
    }
    if len > isize::MAX as usize {
        return Err(BOW_ERROR_ARGUMENT);
    }
    // SAFETY: neither NULL nor too long; the bytes are there and nobody else uses them, as the caller promises.
    Ok(unsafe { std::slice::from_raw_parts_mut(data, len) })
}

/// Returns a C string; `None` for NULL.
///
/// # Safety
///
/// `text` is NULL or ends with a NUL, and nobody changes it as long as the result is used.
pub(crate) unsafe fn text<'a>(text: *const c_char) -> Result<Option<&'a str>, bow_error> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: it ends with a NUL, as the caller promises.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(Some).map_err(|_| BOW_ERROR_NOT_UTF8)
}

/// Returns a C array. NULL is allowed if it has no elements.
///
/// # Safety
///
/// `count` elements are there, unless `list` is NULL, and nobody changes them as long as the result is used.
pub(crate) unsafe fn list<'a, T>(list: *const T, count: usize) -> Result<&'a [T], bow_error> {
    if count == 0 {
        return Ok(&[]);
    }
    if list.is_null() || !list.is_aligned() {
        return Err(BOW_ERROR_NULL);
    }
    if count > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(BOW_ERROR_ARGUMENT);
    }
    // SAFETY: neither NULL, misaligned nor too long; the elements are there, as the caller promises.
    Ok(unsafe { std::slice::from_raw_parts(list, count) })
}

/// A C struct that starts with its size and may have grown since the program was built, or since this library was.
///
/// # Safety
///
/// The first field is the size, a `usize`; any bytes are a valid value; there is no padding at the end, so fields added
/// later lie after the present ones.
pub(crate) unsafe trait Versioned: Copy {
    /// Its size in the first version; smaller sizes are invalid.
    const FIRST: usize;
}

/// Larger than any struct of ours will ever be: such a number is not a size.
const ABSURD: usize = 4096;

/// Reads the size that a C struct declares.
///
/// # Safety
///
/// A `usize` is there, unless `at` is NULL or not aligned.
unsafe fn size_at<T: Versioned>(at: *const T) -> Result<usize, bow_error> {
    if at.is_null() || !at.is_aligned() {
        return Err(BOW_ERROR_NULL);
    }
    // SAFETY: aligned and there; each of these starts with its size.
    let size = unsafe { at.cast::<usize>().read() };
    if (T::FIRST..=ABSURD).contains(&size) { Ok(size) } else { Err(BOW_ERROR_SIZE) }
}

/// Reads a C struct. Fields that it does not have get the values of `default`; fields that we do not know have to be
/// zero, which asks for nothing.
///
/// # Safety
///
/// As many bytes as its first field says are there.
pub(crate) unsafe fn read_versioned<T: Versioned>(at: *const T, default: T) -> Result<T, bow_error> {
    // SAFETY: the caller's promise.
    let size = unsafe { size_at(at)? };
    let known = size.min(size_of::<T>());
    // SAFETY: `size` bytes are there.
    let behind = unsafe { std::slice::from_raw_parts(at.cast::<u8>().add(known), size - known) };
    if behind.iter().any(|&byte| byte != 0) {
        return Err(BOW_ERROR_SIZE);
    }
    let mut value = MaybeUninit::new(default);
    // SAFETY: `known` bytes are there, and no more than a `T` has; any bytes make one.
    unsafe {
        ptr::copy_nonoverlapping(at.cast::<u8>(), value.as_mut_ptr().cast::<u8>(), known);
        Ok(value.assume_init())
    }
}

/// Writes a C struct except for its size; fields that we do not know become zero.
///
/// # Safety
///
/// As many bytes as its first field says are there, and nobody else uses them.
pub(crate) unsafe fn write_versioned<T: Versioned>(at: *mut T, value: &T) -> Result<(), bow_error> {
    // SAFETY: the caller's promise.
    let size = unsafe { size_at(at)? };
    let known = size.min(size_of::<T>());
    let skip = size_of::<usize>();
    // SAFETY: `size` bytes are there, `known` are no more than a `T` has, and both start with a size, which is skipped.
    unsafe {
        let (to, from) = (at.cast::<u8>(), ptr::from_ref(value).cast::<u8>());
        ptr::copy_nonoverlapping(from.add(skip), to.add(skip), known - skip);
        ptr::write_bytes(to.add(known), 0, size - known);
    }
    Ok(())
}

/// Checks that a C struct can be written; see [`write_versioned`].
///
/// # Safety
///
/// As for [`size_at`].
pub(crate) unsafe fn check_versioned<T: Versioned>(at: *const T) -> Result<(), bow_error> {
    // SAFETY: the caller's promise.
    unsafe { size_at(at).map(drop) }
}

/// Sets a C struct of any size to the default.
///
/// # Safety
///
/// `size` bytes are there, unless `at` is NULL, and nobody else uses them.
pub(crate) unsafe fn init_versioned<T: Versioned>(
    at: *mut T,
    size: usize,
    default: &T,
) -> Result<(), bow_error> {
    if at.is_null() || !at.is_aligned() {
        return Err(BOW_ERROR_NULL);
    }
    if !(T::FIRST..=ABSURD).contains(&size) {
        return Err(BOW_ERROR_SIZE);
    }
    // SAFETY: aligned and there.
    unsafe {
        at.cast::<usize>().write(size);
        write_versioned(at, default)
    }
}

/// Gives C a new object; NULL if making it failed.
///
/// # Safety
///
/// `at` is NULL, or a pointer may be written there.
pub(crate) unsafe fn hand_over<T>(
    at: *mut *mut T,
    make: impl FnOnce() -> Result<T, bow_error>,
) -> Result<(), bow_error> {
    if at.is_null() || !at.is_aligned() {
        return Err(BOW_ERROR_NULL);
    }
    // SAFETY: aligned and there.
    unsafe { at.write(ptr::null_mut()) };
    let made = Box::into_raw(Box::new(make()?));
    // SAFETY: aligned and there.
    unsafe { at.write(made) };
    Ok(())
}

/// Takes an object back from C.
///
/// # Safety
///
/// `object` is NULL, or came from [`hand_over`] and was not taken back yet.
pub(crate) unsafe fn take_back<T>(object: *mut T) {
    if !object.is_null() && object.is_aligned() {
        // SAFETY: it came out of a box, once.
        crate::guard::quietly(|| drop(unsafe { Box::from_raw(object) }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Small {
        size: usize,
        a: u64,
    }

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Large {
        size: usize,
        a: u64,
        b: u64,
    }

    // SAFETY: a size and numbers, without padding.
    unsafe impl Versioned for Small {
        const FIRST: usize = 16;
    }

    // SAFETY: a size and numbers, without padding.
    unsafe impl Versioned for Large {
        const FIRST: usize = 16;
    }

    /// A program built with an older header, and one built with a newer one.
    #[test]
    fn structs_may_grow() {
        let old = Small { size: 16, a: 1 };
        let default = Large { size: 24, a: 7, b: 8 };
        // SAFETY: each has the size that it says.
        unsafe {
            assert_eq!(read_versioned((&raw const old).cast(), default), Ok(Large { size: 16, a: 1, b: 8 }));
            let mut new = Large { size: 24, a: 1, b: 0 };
            let of_old_library = (&raw mut new).cast::<Small>();
            assert_eq!(read_versioned(of_old_library, old), Ok(Small { size: 24, a: 1 }));
            new.b = 1;
            assert_eq!(read_versioned((&raw const new).cast(), old), Err(BOW_ERROR_SIZE));
            assert_eq!(write_versioned((&raw mut new).cast(), &Small { size: 99, a: 5 }), Ok(()));
            assert_eq!(new, Large { size: 24, a: 5, b: 0 });
            let mut old = old;
            assert_eq!(write_versioned((&raw mut old).cast(), &default), Ok(()));
            assert_eq!(old, Small { size: 16, a: 7 });
            assert_eq!(init_versioned(&raw mut new, 24, &default), Ok(()));
            assert_eq!(new, default);
        }
    }

    #[test]
    fn sizes_that_are_none() {
        for size in [0, 1, 8, 15, 4097, usize::MAX] {
            let mut odd = Large { size, a: 0, b: 0 };
            // SAFETY: the size is refused before anything after it is read.
            unsafe {
                assert_eq!(read_versioned(&raw const odd, odd), Err(BOW_ERROR_SIZE));
                assert_eq!(write_versioned(&raw mut odd, &Large { size, a: 0, b: 0 }), Err(BOW_ERROR_SIZE));
                assert_eq!(
                    init_versioned(&raw mut odd, size, &Large { size, a: 0, b: 0 }),
                    Err(BOW_ERROR_SIZE)
                );
            }
        }
    }
}
