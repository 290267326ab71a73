// account.add, account.list, account.passwd, account.remove; alias.add, alias.list, alias.remove;
// domain.add, domain.list. Passwords come in as arguments and go nowhere but into a verifier.
#pragma once

#include "admin/verb.h"
#include "state/auth/auth.h"
#include "state/directory/directory.h"

namespace ph::admin {

struct AccountPorts {
  directory::Directory& directory;
  auth::Auth& auth;
};

void add_account_verbs(Verbs& verbs, AccountPorts ports);

}  // namespace ph::admin
