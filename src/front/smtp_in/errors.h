// Every text that this front end shows outside, besides those of codec/smtp.
#pragma once

#include "base/result.h"
#include "codec/smtp/reply.h"

namespace ph::smtp_in {

namespace replies {

using smtp::FixedReply;

inline constexpr FixedReply kTooManyConnections{
    421, {4, 7, 0}, "Too many connections, try again later"};
inline constexpr FixedReply kNoSuchUser{550, {5, 1, 1}, "No such address here"};
inline constexpr FixedReply kRelayDenied{550, {5, 7, 1}, "Relaying is not allowed for you"};
inline constexpr FixedReply kNotYourSender{
    553, {5, 7, 1}, "You may not send in the name of this address"};
inline constexpr FixedReply kTooManyHops{554, {5, 4, 6}, "Too many hops, this message is looping"};
inline constexpr FixedReply kLooping{
    554, {5, 4, 6}, "This message has been here too often, it is looping"};
inline constexpr FixedReply kHeldTooLong{501, {5, 5, 4}, "A message is not held that long"};
inline constexpr FixedReply kHeldBeyondDelivery{
    501, {5, 5, 4}, "It would be held until its time to be delivered is over"};
inline constexpr FixedReply kNoMemory{
    452, {4, 3, 1}, "Too many messages are being received, try again later"};
inline constexpr FixedReply kDiskFull{452, {4, 3, 1}, "Out of storage, try again later"};
inline constexpr FixedReply kNotStored{
    451, {4, 3, 0}, "The message could not be stored, try again later"};
inline constexpr FixedReply kNotStoredForGood{554, {5, 6, 0}, "The message cannot be taken"};
inline constexpr FixedReply kAuthBusy{
    454, {4, 7, 0}, "Logins cannot be checked now, try again later"};

}  // namespace replies
}  // namespace ph::smtp_in
