# GitHub's workflows get these roles by OpenID Connect: no key of AWS is kept anywhere.
resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

locals {
  # Who may be what: deploy only from the environment that asks for an approval, train only from main.
  subjects = {
    deploy = "repo:${var.github_repository}:environment:production"
    train  = "repo:${var.github_repository}:ref:refs/heads/main"
  }
}

resource "aws_iam_role" "github" {
  for_each = local.subjects
  name     = "${local.name}-github-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = aws_iam_openid_connect_provider.github.arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          "token.actions.githubusercontent.com:sub" = each.value
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "deploy" {
  name = "deploy"
  role = aws_iam_role.github["deploy"].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      # AWS knows no narrower resource for these two actions.
      { Effect = "Allow", Action = ["ecr:GetAuthorizationToken", "ecs:DescribeTaskDefinition"], Resource = "*" },
      {
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
          "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
        ]
        Resource = [for repository in aws_ecr_repository.this : repository.arn]
      },
      {
        Effect = "Allow"
        Action = ["ecs:RegisterTaskDefinition", "ecs:RunTask"]
        Resource = [for process in keys(local.processes) :
        "arn:aws:ecs:${var.region}:${local.account}:task-definition/${local.name}-${process}:*"]
      },
      {
        Effect = "Allow"
        Action = ["ecs:DescribeServices", "ecs:UpdateService", "ecs:DescribeTasks"]
        Resource = [
          "arn:aws:ecs:${var.region}:${local.account}:service/${local.name}/service",
          "arn:aws:ecs:${var.region}:${local.account}:service/${local.name}/monitoring",
          "arn:aws:ecs:${var.region}:${local.account}:task/${local.name}/*",
        ]
      },
      {
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = concat([for role in aws_iam_role.execution : role.arn], [for role in aws_iam_role.task : role.arn])
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
    ]
  })
}

resource "aws_iam_role_policy" "train" {
  name = "dvc"
  role = aws_iam_role.github["train"].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "s3:ListBucket", Resource = aws_s3_bucket.this["dvc"].arn },
      { Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject"], Resource = "${aws_s3_bucket.this["dvc"].arn}/*" },
      { Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = aws_kms_key.this.arn },
    ]
  })
}
