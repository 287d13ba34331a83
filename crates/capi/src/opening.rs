//! What C passes to a handshake: what a client asks for and what a server answers.

#![allow(unsafe_code, reason = "C gives pointers")]

use std::ffi::{c_char, c_void};
use std::ptr;

use bowsprit::handshake::{ClientRequest, HeaderField, PlainRequest, Refusal, Request};

use crate::error::bow_error;
use crate::error::bow_error::*;
use crate::event::bow_slice;
use crate::pointers::{Versioned, bytes, list, read_versioned, text};

/// A header field to send, such as `Set-Cookie`. Both are NUL-terminated.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bow_header {
    /// The name.
    pub name: *const c_char,
    /// The value.
    pub value: *const c_char,
}

/// What a client asks for. Write `bow_request request = {.size = sizeof request};` and set the fields you need; NULL
/// and 0 mean none.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bow_request {
    /// `sizeof` of this struct.
    pub size: usize,
    /// The value of `Host`, such as `example.com:9001`, with the port unless it is the scheme's default. Required.
    pub host: *const c_char,
    /// Path and query, percent-encoded, such as `/chat?room=7`; NULL is `/`.
    pub resource: *const c_char,
    /// The value of `Origin`, such as `https://example.com`.
    pub origin: *const c_char,
    /// Subprotocols to offer, the most preferred first.
    pub subprotocols: *const *const c_char,
    /// How many subprotocols there are.
    pub subprotocol_count: usize,
    /// Further fields, such as `Authorization`.
    pub headers: *const bow_header,
    /// How many further fields there are.
    pub header_count: usize,
}

/// What a server sends in its 101. Write `bow_acceptance acceptance = {.size = sizeof acceptance};` and set the fields
/// you need.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bow_acceptance {
    /// `sizeof` of this struct.
    pub size: usize,
    /// One of the offered subprotocols (`bow_conn_choose_subprotocol`); NULL means none.
    pub subprotocol: *const c_char,
    /// Further fields, such as `Set-Cookie`.
    pub headers: *const bow_header,
    /// How many further fields there are.
    pub header_count: usize,
}

/// What a server sends in place of 101. Write `bow_refusal refusal = {.size = sizeof refusal};` and set the fields you
/// need.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bow_refusal {
    /// `sizeof` of this struct.
    pub size: usize,
    /// The status, from 200 to 599.
    pub status: usize,
    /// The body; NULL means the reason phrase of the status.
    pub body: *const c_void,
    /// Its length in bytes.
    pub body_len: usize,
    /// The media type of the body; NULL means `text/plain; charset=utf-8`.
    pub content_type: *const c_char,
    /// Further fields, such as `WWW-Authenticate` or `Location`.
    pub headers: *const bow_header,
    /// How many further fields there are.
    pub header_count: usize,
}

/// What a client asks a server for; see `bow_conn_request`. The connection owns it; later versions may have more
/// fields.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bow_request_view {
    /// The method: `GET`, unless this is a plain request.
    pub method: bow_slice,
    /// Path and query as sent, never decoded; for a plain request the target in any of its forms.
    pub resource: bow_slice,
    /// The host, and the port if one is named.
    pub host: bow_slice,
    /// The origin, which browsers send.
    pub origin: bow_slice,
}

// SAFETY: words, the size first.
unsafe impl Versioned for bow_request {
    const FIRST: usize = size_of::<Self>();
}

// SAFETY: words, the size first.
unsafe impl Versioned for bow_acceptance {
    const FIRST: usize = size_of::<Self>();
}

// SAFETY: words, the size first.
unsafe impl Versioned for bow_refusal {
    const FIRST: usize = size_of::<Self>();
}

impl bow_request_view {
    pub(crate) const NONE: Self = Self {
        method: bow_slice::NONE,
        resource: bow_slice::NONE,
        host: bow_slice::NONE,
        origin: bow_slice::NONE,
    };

    pub(crate) fn of(request: &Request) -> Self {
        Self {
            method: bow_slice::of(b"GET"),
            resource: bow_slice::of(request.resource().as_bytes()),
            host: bow_slice::of(request.host().as_bytes()),
            origin: bow_slice::of_any(request.origin().map(str::as_bytes)),
        }
    }

    pub(crate) fn of_plain(request: &PlainRequest) -> Self {
        Self {
            method: bow_slice::of(request.method().as_bytes()),
            resource: bow_slice::of(request.target().as_bytes()),
            host: bow_slice::of_any(request.host().map(str::as_bytes)),
            origin: bow_slice::of_any(request.header("origin")),
        }
    }
}

/// # Safety
///
/// `at` is NULL or valid, and so is everything it points at.
pub(crate) unsafe fn client_request(at: *const bow_request) -> Result<ClientRequest, bow_error> {
    let empty = bow_request {
        size: size_of::<bow_request>(),
        host: ptr::null(),
        resource: ptr::null(),
        origin: ptr::null(),
        subprotocols: ptr::null(),
        subprotocol_count: 0,
        headers: ptr::null(),
        header_count: 0,
    };
    // SAFETY: the caller's promise, for the struct and for everything it points at.
    unsafe {
        let given = read_versioned(at, empty)?;
        let host = text(given.host)?.ok_or(BOW_ERROR_NULL)?;
        let mut request = ClientRequest::new(host, text(given.resource)?.unwrap_or("/"))?;
        if let Some(origin) = text(given.origin)? {
            request = request.origin(origin)?;
        }
        for name in list(given.subprotocols, given.subprotocol_count)? {
            request = request.subprotocol(text(*name)?.ok_or(BOW_ERROR_NULL)?)?;
        }
        for field in headers(given.headers, given.header_count)? {
            request = request.header(field)?;
        }
        Ok(request)
    }
}

/// Reads the subprotocol and the fields of an acceptance; both are empty if there is none.
///
/// # Safety
///
/// `at` is NULL or valid, and so is everything it points at.
pub(crate) unsafe fn acceptance(
    at: *const bow_acceptance,
) -> Result<(Option<String>, Vec<HeaderField>), bow_error> {
    if at.is_null() {
        return Ok((None, Vec::new()));
    }
    let empty = bow_acceptance {
        size: size_of::<bow_acceptance>(),
        subprotocol: ptr::null(),
        headers: ptr::null(),
        header_count: 0,
    };
    // SAFETY: the caller's promise, for the struct and for everything it points at.
    unsafe {
        let given = read_versioned(at, empty)?;
        Ok((text(given.subprotocol)?.map(str::to_owned), headers(given.headers, given.header_count)?))
    }
}

/// # Safety
///
/// `at` is NULL or valid, and so is everything it points at.
pub(crate) unsafe fn refusal(at: *const bow_refusal) -> Result<Refusal, bow_error> {
    let empty = bow_refusal {
        size: size_of::<bow_refusal>(),
        status: 0,
        body: ptr::null(),
        body_len: 0,
        content_type: ptr::null(),
        headers: ptr::null(),
        header_count: 0,
    };
    // SAFETY: the caller's promise, for the struct and for everything it points at.
    unsafe {
        let given = read_versioned(at, empty)?;
        let status = u16::try_from(given.status).map_err(|_| BOW_ERROR_STATUS)?;
        let mut refusal = Refusal::new(status)?;
        let content_type = text(given.content_type)?;
        if !given.body.is_null() || given.body_len > 0 || content_type.is_some() {
            let body = bytes(given.body, given.body_len)?;
            refusal = refusal.with_body(content_type.unwrap_or("text/plain; charset=utf-8"), body)?;
        }
        for field in headers(given.headers, given.header_count)? {
            refusal = refusal.with_header(field)?;
        }
        Ok(refusal)
    }
}

/// # Safety
///
/// There are `count` elements, each with two strings.
unsafe fn headers(headers: *const bow_header, count: usize) -> Result<Vec<HeaderField>, bow_error> {
    // SAFETY: the caller's promise.
    let given = unsafe { list(headers, count)? };
    let mut fields = Vec::new();
    for header in given {
        // SAFETY: the caller's promise.
        let (name, value) = unsafe { (text(header.name)?, text(header.value)?) };
        let (name, value) = (name.ok_or(BOW_ERROR_NULL)?, value.ok_or(BOW_ERROR_NULL)?);
        fields.push(HeaderField::new(name, value).map_err(|_| BOW_ERROR_HEADER)?);
    }
    Ok(fields)
}
