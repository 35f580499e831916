# What must hold, without an account: `terraform test`.
mock_provider "aws" {
  override_during = plan # so that what AWS would number can be looked at in a plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::a-bucket" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/a-key" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/a-role" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:a-secret" }
  }
  mock_resource "aws_ecr_repository" {
    defaults = { arn = "arn:aws:ecr:eu-central-1:123456789012:repository/a-repository" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:a-group" }
  }
  mock_resource "aws_efs_file_system" {
    defaults = { arn = "arn:aws:elasticfilesystem:eu-central-1:123456789012:file-system/a-system" }
  }
  mock_resource "aws_efs_access_point" {
    defaults = { arn = "arn:aws:elasticfilesystem:eu-central-1:123456789012:access-point/a-point" }
  }
  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/a/1" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/a/1" }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
  }
}

variables {
  region            = "eu-central-1"
  zones             = ["eu-central-1a", "eu-central-1b"]
  database_password = "0123456789012345678901234567890123456789"
  certificate_arn   = "arn:aws:acm:eu-central-1:123456789012:certificate/a-certificate"
  service_image     = "registry.example/perennial/service@sha256:1111111111111111111111111111111111111111111111111111111111111111"
  monitoring_image  = "registry.example/perennial/monitoring@sha256:2222222222222222222222222222222222222222222222222222222222222222"
  github_repository = "example/perennial"
}

run "the_database_is_private_encrypted_and_kept" {
  command = plan
  assert {
    condition     = !aws_db_instance.this.publicly_accessible && aws_db_instance.this.storage_encrypted
    error_message = "The database must be private and encrypted."
  }
  assert {
    condition     = aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot
    error_message = "The database must not go without a last snapshot."
  }
  assert {
    condition     = aws_db_instance.this.backup_retention_period >= 7 && aws_db_instance.this.multi_az
    error_message = "A week of backups and a second zone are the default."
  }
  assert {
    condition     = aws_db_instance.this.password == null
    error_message = "The password must not be in the state."
  }
}

run "no_bucket_is_public_and_all_are_versioned" {
  command = plan
  assert {
    condition = length(aws_s3_bucket.this) == 2 && alltrue([for block in aws_s3_bucket_public_access_block.this :
    block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets])
    error_message = "Every bucket must block public access."
  }
  assert {
    condition     = alltrue([for each in aws_s3_bucket_versioning.this : each.versioning_configuration[0].status == "Enabled"])
    error_message = "Every bucket must keep versions."
  }
}

run "only_https_comes_in" {
  command = plan
  assert {
    condition     = aws_vpc_security_group_ingress_rule.https.from_port == 443 && aws_vpc_security_group_ingress_rule.https.to_port == 443
    error_message = "443 and nothing else is open to the world."
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.flow : rule.cidr_ipv4 == null])
    error_message = "Inside, groups are named, not addresses."
  }
  assert {
    condition     = aws_lb_listener.https.protocol == "HTTPS" && aws_lb.this.idle_timeout < 5
    error_message = "TLS ends at the balancer, which closes idle connections before the service does (5 s)."
  }
}

run "tasks_are_guarded_and_named_by_digest" {
  command = plan
  assert {
    condition = alltrue([for task in aws_ecs_task_definition.this : alltrue([for c in jsondecode(task.container_definitions) :
      c.readonlyRootFilesystem && c.user == "10001:10001" && contains(c.linuxParameters.capabilities.drop, "ALL")
      && can(regex("@sha256:[0-9a-f]{64}$", c.image))
    ])])
    error_message = "Read-only root, nobody's user, no capabilities, by digest."
  }
  assert {
    condition = alltrue([for task in aws_ecs_task_definition.this : alltrue([for c in jsondecode(task.container_definitions) :
      !anytrue([for v in c.environment : can(regex("PASSWORD|TOKEN|SECRET|_KEY$|DATABASE_URL", v.name))])
    ])])
    error_message = "Secrets come from Secrets Manager, never as plain variables."
  }
  assert {
    condition = (aws_ecs_service.service.deployment_circuit_breaker[0].rollback
    && aws_ecs_service.service.deployment_minimum_healthy_percent == 100)
    error_message = "A deployment that fails goes back, and no replica goes before its successor is there."
  }
  assert {
    condition     = !aws_ecs_service.service.network_configuration[0].assign_public_ip
    error_message = "Tasks have no public address."
  }
}

run "images_cannot_be_overwritten" {
  command = plan
  assert {
    condition = alltrue([for each in aws_ecr_repository.this :
    each.image_tag_mutability == "IMMUTABLE" && each.image_scanning_configuration[0].scan_on_push])
    error_message = "Immutable tags, scanned on push."
  }
}

run "no_role_may_do_everything_or_to_everything" {
  command = plan
  assert {
    condition = alltrue(flatten([
      for policy in concat(values(aws_iam_role_policy.execution), values(aws_iam_role_policy.task),
        [aws_iam_role_policy.deploy, aws_iam_role_policy.train, aws_iam_role_policy.flow_log]) : [
        for statement in jsondecode(policy.policy).Statement : concat(
          [for action in flatten([statement.Action]) : !strcontains(action, "*")],
          # What AWS offers no narrower resource for.
          [for resource in flatten([statement.Resource]) : resource != "*" || alltrue([
            for action in flatten([statement.Action]) : contains(["ecr:GetAuthorizationToken", "ecs:DescribeTaskDefinition"], action)
        ])])
    ]]))
    error_message = "No action and no resource by wildcard."
  }
  assert {
    condition = jsondecode(aws_iam_role.github["deploy"].assume_role_policy).Statement[0].Condition.StringEquals[
    "token.actions.githubusercontent.com:sub"] == "repo:example/perennial:environment:production"
    error_message = "Only the environment with an approval may deploy."
  }
}

run "a_tag_is_refused" {
  command = plan
  variables {
    service_image = "registry.example/perennial/service:latest"
  }
  expect_failures = [var.service_image]
}
