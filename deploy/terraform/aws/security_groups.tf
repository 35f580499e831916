# Who may talk to whom; everything else is closed.
resource "aws_security_group" "balancer" {
  name        = "${local.name}-balancer"
  description = "HTTPS from anywhere"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "tasks" {
  name        = "${local.name}-tasks"
  description = "Service, monitoring, migrate"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "database" {
  name        = "${local.name}-database"
  description = "PostgreSQL, for tasks"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "files" {
  name        = "${local.name}-files"
  description = "NFS, for tasks"
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_ingress_rule" "https" {
  security_group_id = aws_security_group.balancer.id
  description       = "Clients"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

locals {
  # name: who asks, who answers, port
  flows = {
    balancer-service = [aws_security_group.balancer.id, aws_security_group.tasks.id, 8000]
    tasks-database   = [aws_security_group.tasks.id, aws_security_group.database.id, 5432]
    tasks-files      = [aws_security_group.tasks.id, aws_security_group.files.id, 2049]
  }
}

resource "aws_vpc_security_group_egress_rule" "flow" {
  for_each                     = local.flows
  security_group_id            = each.value[0]
  referenced_security_group_id = each.value[1]
  description                  = each.key
  ip_protocol                  = "tcp"
  from_port                    = each.value[2]
  to_port                      = each.value[2]
}

resource "aws_vpc_security_group_ingress_rule" "flow" {
  for_each                     = local.flows
  security_group_id            = each.value[1]
  referenced_security_group_id = each.value[0]
  description                  = each.key
  ip_protocol                  = "tcp"
  from_port                    = each.value[2]
  to_port                      = each.value[2]
}

resource "aws_vpc_security_group_egress_rule" "world" {
  security_group_id = aws_security_group.tasks.id
  description       = "Images, secrets, logs, alarms, GitHub"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
