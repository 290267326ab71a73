// The same with Boost.Asio as it would stand under our Stream: readiness by async_wait, each wait
// with its timer, as every wait of ours has a deadline.
#include <utility>  // Boost 1.81 uses std::exchange without it

#include <boost/asio.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace asio = boost::asio;
using asio::ip::tcp;
using Wait = tcp::socket::wait_type;
using namespace std::chrono_literals;

constexpr size_t kMessage = 64;

// One wait: the socket ready or 30 seconds over.
asio::awaitable<void> wait(tcp::socket& socket, asio::steady_timer& timer, Wait what) {
  timer.expires_after(30s);
  timer.async_wait([&socket](boost::system::error_code error) {
    if (!error) socket.cancel();
  });
  co_await socket.async_wait(what, asio::use_awaitable);
  timer.cancel();
}

asio::awaitable<size_t> read_some(tcp::socket& socket, asio::steady_timer& timer, char* buffer) {
  for (;;) {
    boost::system::error_code error;
    const size_t got = socket.read_some(asio::buffer(buffer, 4096), error);
    if (error != asio::error::would_block) co_return error ? 0 : got;
    co_await wait(socket, timer, Wait::wait_read);
  }
}

asio::awaitable<void> write_some(tcp::socket& socket, asio::steady_timer& timer,
                                 const char* buffer) {
  for (;;) {
    boost::system::error_code error;
    socket.write_some(asio::buffer(buffer, kMessage), error);
    if (error != asio::error::would_block) co_return;
    co_await wait(socket, timer, Wait::wait_write);
  }
}

asio::awaitable<void> echo(tcp::socket socket) {
  char buffer[4096];
  asio::steady_timer timer(socket.get_executor());
  socket.non_blocking(true);
  socket.set_option(tcp::no_delay(true));
  while (co_await read_some(socket, timer, buffer) == kMessage) {
    co_await write_some(socket, timer, buffer);
  }
}

asio::awaitable<void> ask(asio::io_context& io, tcp::endpoint to, int rounds, int& left) {
  tcp::socket socket(io);
  co_await socket.async_connect(to, asio::use_awaitable);
  asio::steady_timer timer(io);
  socket.non_blocking(true);
  socket.set_option(tcp::no_delay(true));
  char buffer[4096] = {};
  for (int i = 0; i < rounds; ++i) {
    co_await write_some(socket, timer, buffer);
    if (co_await read_some(socket, timer, buffer) != kMessage) std::abort();
  }
  if (--left == 0) io.stop();
}

asio::awaitable<void> serve(tcp::acceptor& acceptor) {
  for (;;) {
    auto socket = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(acceptor.get_executor(), echo(std::move(socket)), asio::detached);
  }
}

int main(int argc, char** argv) {
  const int connections = argc > 1 ? std::atoi(argv[1]) : 1;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 200'000;
  asio::io_context io(1);
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  asio::co_spawn(io, serve(acceptor), asio::detached);
  int left = connections;
  for (int i = 0; i < connections; ++i) {
    asio::co_spawn(io, ask(io, acceptor.local_endpoint(), rounds / connections, left),
                   asio::detached);
  }
  const auto start = std::chrono::steady_clock::now();
  io.run();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  std::printf("asio: %d connections, %.0f round trips a second\n", connections,
              rounds / taken.count());
}
