//! Frames with descriptors: a zygote is handed the socket of each copy that it makes of itself.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

/// Descriptors that may come with one look at the socket.
const DESCRIPTORS: usize = 8;

/// Sends bytes, all of them or as many as there is room for, with a descriptor that arrives together with the first one.
///
/// # Errors
/// The system refuses; `WouldBlock` where there is no room at all: then the descriptor was not sent.
pub fn send(socket: impl AsFd, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = descriptor.map(|fd| [fd]);
    if let Some(fds) = &fds {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    #[cfg(target_os = "linux")]
    let flags = SendFlags::NOSIGNAL;
    #[cfg(not(target_os = "linux"))]
    let flags = SendFlags::empty();
    Ok(sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags)?)
}

/// Receives bytes, and the descriptors that came with them into `descriptors`. 0 is the end.
///
/// # Errors
/// The system refuses.
pub fn receive(socket: impl AsFd, bytes: &mut [u8], descriptors: &mut VecDeque<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    #[cfg(target_os = "linux")]
    let flags = RecvFlags::CMSG_CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = RecvFlags::empty();
    let received = rustix::io::retry_on_intr(|| recvmsg(&socket, &mut [IoSliceMut::new(bytes)], &mut control, flags))?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            descriptors.extend(fds);
        }
    }
    Ok(received.bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn each_descriptor_arrives_and_in_the_order_in_which_they_were_sent() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let pairs: Vec<_> = (0..5).map(|_| UnixStream::pair().unwrap()).collect();
        for (index, (_, end)) in pairs.iter().enumerate() {
            assert_eq!(send(&ours, &[index as u8; 3], Some(end.as_fd())).unwrap(), 3);
        }
        assert_eq!(send(&ours, b"x", None).unwrap(), 1);
        let (mut got, mut bytes, mut chunk) = (VecDeque::new(), Vec::new(), [0; 64]);
        while bytes.len() < 16 {
            let count = receive(&theirs, &mut chunk, &mut got).unwrap();
            bytes.extend_from_slice(&chunk[..count]);
        }
        assert_eq!(bytes, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, b'x']);
        for ((mut here, _), there) in pairs.into_iter().zip(got) {
            UnixStream::from(there).write_all(b"y").unwrap();
            let mut byte = [0];
            here.read_exact(&mut byte).unwrap();
            assert_eq!(&byte, b"y");
        }
        drop(ours);
        assert_eq!(receive(&theirs, &mut chunk, &mut VecDeque::new()).unwrap(), 0);
    }
}
