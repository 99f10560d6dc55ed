-- The way back: rules go, with their history. What they granted stays.

DROP TYPE grant_rule_change_row;
DROP TYPE grant_rule_row;
DROP TABLE grant_rule_changes;
DROP TABLE grant_rules;
