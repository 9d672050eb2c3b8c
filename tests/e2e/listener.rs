//! The listener: TLS and the exchange of its files, places, and peers that mean no good.

mod certificates;
mod desync;
mod floods;
mod frames;
mod house;
mod peers;
mod rotation;
mod slow;
mod tls;
