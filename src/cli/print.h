// Answers of the server as text for people. Each takes the JSON result of one verb.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace ph::cli {

std::string print_json(const nlohmann::json& result);
std::string print_text(const nlohmann::json& result);
std::string print_account(const nlohmann::json& result);
std::string print_accounts(const nlohmann::json& result);
std::string print_removed(const nlohmann::json& result);
std::string print_setting(const nlohmann::json& result);
std::string print_settings(const nlohmann::json& result);
std::string print_queue(const nlohmann::json& result);
std::string print_why(const nlohmann::json& result);
std::string print_counts(const nlohmann::json& result);
std::string print_changed(const nlohmann::json& result);
std::string print_tasks(const nlohmann::json& result);
std::string print_doctor(const nlohmann::json& result);

std::string print_bulk(const nlohmann::json& result);
std::string print_trace(const nlohmann::json& result);
std::string print_lane(const nlohmann::json& lane);
std::string print_lanes(const nlohmann::json& lanes);
std::string print_audit(const nlohmann::json& entries);
std::string print_exported(const nlohmann::json& result);
std::string print_imported(const nlohmann::json& result);

}  // namespace ph::cli
