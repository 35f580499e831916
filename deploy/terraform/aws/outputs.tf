output "address" {
  description = "What the domain's CNAME names."
  value       = aws_lb.this.dns_name
}

output "dvc_remote" {
  description = "dvc remote add --default storage ..."
  value       = "s3://${aws_s3_bucket.this["dvc"].id}/perennial"
}

output "repositories" {
  description = "Where images are pushed."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "github_roles" {
  description = "role-to-assume of the workflows."
  value       = { for name, role in aws_iam_role.github : name => role.arn }
}

output "secrets" {
  description = "Fill admin-key, metrics-key, alert-urls and github-token by hand; database-url is there."
  value       = { for name, secret in aws_secretsmanager_secret.this : name => secret.name }
}

output "network" {
  description = "Where `make deploy-ecs` runs the migration."
  value = {
    subnets         = aws_subnet.private[*].id
    security_groups = [aws_security_group.tasks.id]
  }
}
