locals {
  secrets = { for name, secret in aws_secretsmanager_secret.this : name => secret.arn }
  # Per process: image, command, size, what it mounts (true = it may write), secrets as variables.
  processes = {
    service = {
      image   = var.service_image
      command = ["python", "-m", "service"]
      cpu     = 512
      memory  = 1024
      mounts  = { bundles = false, reports = false, spool = true }
      env     = { PERENNIAL_LIMITS_URL = "database://", TMPDIR = "/dev/shm" }
      secrets = { PERENNIAL_DATABASE_URL = "database-url" }
      stop    = 45
    }
    monitoring = {
      image   = var.monitoring_image
      command = ["python", "-m", "monitoring.scheduler"]
      cpu     = 512
      memory  = 2048
      mounts  = { bundles = true, reports = true, retrains = true }
      env = {
        PERENNIAL_GITHUB_REPOSITORY = var.github_repository
        TMPDIR                      = "/var/lib/perennial/retrains"
      }
      secrets = {
        PERENNIAL_DATABASE_URL = "database-url"
        PERENNIAL_ALERT_URLS   = "alert-urls"
        PERENNIAL_GITHUB_TOKEN = "github-token"
      }
      stop = 60
    }
    migrate = {
      image = var.service_image
      # Keys come as variables and are wanted as files, which live in memory as long as the task.
      command = ["sh", "-euc", join(" ", [
        "umask 077; printf %s \"$ADMIN_KEY\" >/dev/shm/admin; printf %s \"$METRICS_KEY\" >/dev/shm/metrics;",
        "exec python -m deploy.install --key=admin:predict,outcomes,read,admin:/dev/shm/admin",
        "--key=prometheus:read:/dev/shm/metrics",
      ])]
      cpu    = 256
      memory = 512
      mounts = { bundles = true }
      env    = { TMPDIR = "/dev/shm" }
      secrets = {
        PERENNIAL_DATABASE_URL = "database-url"
        ADMIN_KEY              = "admin-key"
        METRICS_KEY            = "metrics-key"
      }
      stop = 30
    }
  }
}

resource "aws_ecs_cluster" "this" {
  name = local.name
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "this" {
  for_each                 = local.processes
  family                   = "${local.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory
  execution_role_arn       = aws_iam_role.execution[each.key].arn
  task_role_arn            = aws_iam_role.task[each.key].arn
  container_definitions = jsonencode([{
    name                   = each.key
    image                  = each.value.image
    command                = each.value.command
    essential              = true
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    stopTimeout            = each.value.stop
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
    portMappings           = each.key == "service" ? [{ containerPort = 8000, protocol = "tcp" }] : []
    environment            = [for k, v in each.value.env : { name = k, value = v }]
    secrets                = [for k, v in each.value.secrets : { name = k, valueFrom = local.secrets[v] }]
    mountPoints = [for name, writes in each.value.mounts :
    { sourceVolume = name, containerPath = "/var/lib/perennial/${name}", readOnly = !writes }]
    healthCheck = each.key != "service" ? null : {
      command     = ["CMD", "python", "-m", "service.alive"]
      interval    = 10
      timeout     = 5
      retries     = 3
      startPeriod = 30
    }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this[each.key].name
        awslogs-region        = var.region
        awslogs-stream-prefix = each.key
      }
    }
  }])
  dynamic "volume" {
    for_each = each.value.mounts
    content {
      name = volume.key
      efs_volume_configuration {
        file_system_id     = aws_efs_file_system.this.id
        transit_encryption = "ENABLED"
        authorization_config {
          access_point_id = aws_efs_access_point.this[volume.key].id
          iam             = "ENABLED"
        }
      }
    }
  }
}
