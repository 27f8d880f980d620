//! How much of what was written to a connection its peer's system has not acknowledged: what `ioctl(SIOCOUTQ)` tells.
//!
//! No safe wrapper of that call is to be had, so the kernel is asked in the two other ways in which it tells the same number.
//! First a question to `sock_diag(7)`, which costs some microseconds. Where that is not to be had (a kernel without
//! `INET_DIAG`, a sandbox that allows no netlink socket) the list in `/proc/net/tcp`, which costs up to some milliseconds.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

/// What is known of a connection's send queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendQueue {
    /// So many bytes were not sent, or sent and not acknowledged.
    Bytes(u32),
    /// The peer has reset the connection: what was in the queue is gone, and how much that was.
    Gone,
    /// The system does not tell.
    Unknown,
}

impl SendQueue {
    /// Asks the kernel.
    pub fn of(stream: &TcpStream) -> Self {
        let Some(inode) = inode_of(stream) else { return Self::Unknown };
        match ask_netlink(stream, inode) {
            Some(bytes) => Self::Bytes(bytes),
            None if is_reset(stream) => Self::Gone,
            None => look_it_up(stream, inode).map_or(Self::Unknown, Self::Bytes),
        }
    }
}

fn inode_of(stream: &TcpStream) -> Option<u64> {
    Some(rustix::fs::fstat(stream).ok()?.st_ino)
}

/// A connection that was reset is in none of the kernel's tables any more.
fn is_reset(stream: &TcpStream) -> bool {
    let mut stream = [PollFd::new(stream, PollFlags::empty())];
    poll(&mut stream, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok()
        && stream[0].revents().contains(PollFlags::HUP)
}

/// `SOCK_DIAG_BY_FAMILY` of linux/sock_diag.h, and the sizes of its messages (linux/inet_diag.h).
const DIAG_BY_FAMILY: u16 = 20;
const REQUEST_BYTES: usize = 16 + 56;
const QUEUE_OFFSET: usize = 16 + 4 + 48 + 8;
const INODE_OFFSET: usize = QUEUE_OFFSET + 8;

fn ask_netlink(stream: &TcpStream, inode: u64) -> Option<u32> {
    let request = request(stream.local_addr().ok()?, stream.peer_addr().ok()?)?;
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        Some(netlink::SOCK_DIAG),
    );
    let socket = socket.ok()?;
    rustix::net::send(&socket, &request, SendFlags::empty()).ok()?;
    let mut answer = [0; 1024];
    // The kernel has answered by the time at which the question was sent.
    let (length, _) = rustix::net::recv(&socket, &mut answer, RecvFlags::empty()).ok()?;
    let answer = answer.get(..length)?;
    let is_answer = answer.get(4..6)? == DIAG_BY_FAMILY.to_ne_bytes();
    (is_answer && u64::from(word(answer, INODE_OFFSET)?) == inode & 0xffff_ffff)
        .then(|| word(answer, QUEUE_OFFSET))?
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

/// The question about one connection, found by its addresses.
fn request(local: SocketAddr, peer: SocketAddr) -> Option<Vec<u8>> {
    const TCP: u8 = 6;
    const REQUEST_FLAG: u16 = 1;
    let family = if local.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    // Only an address that holds on one link has a scope.
    let interface = if let SocketAddr::V6(peer) = peer { peer.scope_id() } else { 0 };
    let mut bytes = Vec::with_capacity(REQUEST_BYTES);
    bytes.extend_from_slice(&u32::try_from(REQUEST_BYTES).ok()?.to_ne_bytes());
    bytes.extend_from_slice(&DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend_from_slice(&REQUEST_FLAG.to_ne_bytes());
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&[u8::try_from(family.as_raw()).ok()?, TCP, 0, 0]);
    // In whatever state it is.
    bytes.extend_from_slice(&u32::MAX.to_ne_bytes());
    bytes.extend_from_slice(&local.port().to_be_bytes());
    bytes.extend_from_slice(&peer.port().to_be_bytes());
    bytes.extend_from_slice(&padded(local.ip()));
    bytes.extend_from_slice(&padded(peer.ip()));
    bytes.extend_from_slice(&interface.to_ne_bytes());
    // No cookie is known.
    bytes.extend_from_slice(&[0xff; 8]);
    Some(bytes)
}

fn padded(address: IpAddr) -> [u8; 16] {
    let mut bytes = [0; 16];
    match address {
        IpAddr::V4(address) => bytes[..4].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => bytes = address.octets(),
    }
    bytes
}

fn look_it_up(stream: &TcpStream, inode: u64) -> Option<u32> {
    let list = if stream.local_addr().ok()?.is_ipv4() { "/proc/self/net/tcp" } else { "/proc/self/net/tcp6" };
    queue_in(&fs::read_to_string(list).ok()?, inode)
}

/// The queue in a line like `1: 0100007F:863C 0100007F:D8DD 01 0039B600:00000000 04:00000005 00000000 0 0 20041 …`.
fn queue_in(list: &str, inode: u64) -> Option<u32> {
    list.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(4);
        let queues = columns.next()?;
        let found: u64 = columns.nth(4)?.parse().ok()?;
        (found == inode).then(|| u32::from_str_radix(queues.split_once(':')?.0, 16).ok())?
    })
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Fills a connection until it takes no more; the number of bytes, and the other end.
    fn filled(address: &str) -> (TcpStream, u32, TcpStream) {
        let listener = TcpListener::bind(address).unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (peer, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut written = 0;
        loop {
            match stream.write(&[7; 65_536]) {
                Ok(count) => written += u32::try_from(count).unwrap(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return (stream, written, peer),
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn both_ways_to_ask_tell_how_much_is_not_acknowledged() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (stream, written, mut peer) = filled(address);
            let inode = inode_of(&stream).unwrap();
            let asked = ask_netlink(&stream, inode);
            if let Some(bytes) = asked {
                assert!(bytes > 0 && bytes < written, "{bytes} of {written}");
            }
            let looked_up = look_it_up(&stream, inode).unwrap();
            assert!(looked_up > 0 && looked_up < written, "{looked_up} of {written}");
            peer.read_exact(&mut vec![0; written as usize]).unwrap();
            peer.write_all(b"!").unwrap();
            stream.set_nonblocking(false).unwrap();
            (&stream).read_exact(&mut [0]).unwrap();
            // What the peer has sent after it had read all acknowledges all.
            assert_eq!(SendQueue::of(&stream), SendQueue::Bytes(0));
            assert_eq!(look_it_up(&stream, inode), Some(0));
        }
    }

    #[test]
    fn a_connection_that_the_peer_has_reset_is_gone() {
        let (stream, _, peer) = filled("127.0.0.1:0");
        // With unread bytes in its buffer.
        drop(peer);
        // The kernel may take a moment to hand the reset over.
        let ends = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while SendQueue::of(&stream) != SendQueue::Gone {
            assert!(std::time::Instant::now() < ends, "{:?}", SendQueue::of(&stream));
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_line_of_the_list_is_found_by_its_inode() {
        let list = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                    0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1064 1 0 100 0 0\n   \
                    3: 0100007F:863C 0100007F:D8DD 01 0039B600:00000000 04:00000005 00000000     0        0 20041 2 0 20 0 0\n";
        assert_eq!(queue_in(list, 20_041), Some(0x0039_b600));
        assert_eq!(queue_in(list, 1064), Some(0));
        assert_eq!(queue_in(list, 7), None);
        assert_eq!(queue_in("no list\nat all\n", 7), None);
    }
}
