#include "front/imap/options.h"

namespace ph::imap_server {

void add_settings(config::Schema& schema) {
  schema.add(kMessageSizeMax);
  schema.add(kConnectionsMax);
  schema.add(kConnectionsPerIpMax);
  schema.add(kMemoryMax);
  schema.add(kLoginTimeout);
  schema.add(kIdleTimeout);
  schema.add(kProgressTimeout);
  schema.add(kLoginWithoutTls);
}

}  // namespace ph::imap_server
