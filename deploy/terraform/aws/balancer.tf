resource "aws_lb" "this" {
  #checkov:skip=CKV2_AWS_28:every request needs a key and the service bounds what it reads; put a WAF in front if you must; until 2027-05-31
  name                       = local.name
  load_balancer_type         = "application"
  subnets                    = aws_subnet.public[*].id
  security_groups            = [aws_security_group.balancer.id]
  drop_invalid_header_fields = true
  enable_deletion_protection = var.protected
  # The service closes connections that are idle for 5 s; the balancer must be first, or a request
  # may meet a closing one. It also bounds an answer that takes long to begin.
  idle_timeout = 4
  access_logs {
    bucket  = aws_s3_bucket.this["logs"].id
    prefix  = "balancer"
    enabled = true
  }
  depends_on = [aws_s3_bucket_policy.this]
}

resource "aws_lb_target_group" "service" {
  #checkov:skip=CKV_AWS_378:inside the network the service speaks plain HTTP: TLS ends at the balancer; until 2027-05-31
  name                 = "${local.name}-service"
  vpc_id               = aws_vpc.this.id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = 8000
  deregistration_delay = 15
  health_check {
    path                = "/health/ready"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

# No port 80: whoever calls without TLS shall notice.
resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.service.arn
  }
}
