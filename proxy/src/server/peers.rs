//! How many connections each peer has (threat T22).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often refusals are told.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The part of an IPv6 address that is given to a network; what follows, its hosts choose themselves.
const NETWORK: u128 = !0 << 64;

/// Counts the connections of each peer. Holds no more entries than there are connections.
pub(super) struct Peers {
    limit: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection of a peer, for as long as this lives.
pub(super) struct PeerPlace {
    peers: Arc<Peers>,
    network: IpAddr,
}

/// Tells of refused peers, now and then.
#[derive(Default)]
pub(super) struct Refusals {
    told: Option<Instant>,
    untold: u64,
}

impl Peers {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, open: Mutex::default() })
    }

    /// A place for one more connection of this peer, unless it has as many as it may.
    pub(super) fn place(self: &Arc<Self>, address: IpAddr) -> Option<PeerPlace> {
        let network = network(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(network).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(PeerPlace { peers: Arc::clone(self), network })
    }
}

impl Drop for PeerPlace {
    fn drop(&mut self) {
        let mut open = self.peers.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = open.entry(self.network) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl Refusals {
    pub(super) fn tell(&mut self, address: IpAddr, limit: usize) {
        self.untold += 1;
        if self.told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return;
        }
        let connections = std::mem::take(&mut self.untold);
        self.told = Some(Instant::now());
        tracing::warn!(peer = %address, limit, connections, "closed at once: one peer has too many connections");
    }
}

/// What counts as one peer.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn t22_a_peer_has_as_many_places_as_it_may_and_gets_them_back() {
        let peers = Peers::new(2);
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        let first = peers.place(one);
        let second = peers.place(address("::ffff:192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(peers.place(one).is_none());
        assert!(peers.place(other).is_some(), "another peer is not concerned");
        drop(first);
        let third = peers.place(one);
        assert!(third.is_some());
        drop((second, third));
        assert!(peers.open.lock().unwrap().is_empty(), "nothing is kept of peers that have gone");
    }

    #[test]
    fn t22_the_hosts_of_an_ipv6_network_are_one_peer() {
        let peers = Peers::new(1);
        let place = peers.place(address("2001:db8:0:1::1"));
        assert!(place.is_some());
        assert!(peers.place(address("2001:db8:0:1:ffff:ffff:ffff:ffff")).is_none());
        assert!(peers.place(address("2001:db8:0:2::1")).is_some());
    }
}
