#include "app/options.h"
#include "front/imap/options.h"
#include "front/smtp_in/options.h"
#include "front/smtp_out/carrier.h"
#include "service/pressure/options.h"
#include "service/queue/options.h"
#include "service/route/options.h"

namespace ph::app {

void add_all_settings(config::Schema& schema) {
  add_settings(schema);
  smtp_in::add_settings(schema);
  smtp_out::add_settings(schema);
  imap_server::add_settings(schema);
  queue::add_settings(schema);
  route::add_settings(schema);
  pressure::add_settings(schema);
}

}  // namespace ph::app
